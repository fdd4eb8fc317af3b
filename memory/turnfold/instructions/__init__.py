"""What users wish to be done from then on, told from what they only quote."""
