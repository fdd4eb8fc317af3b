"""What is checked before it is written, and how it is read back."""
