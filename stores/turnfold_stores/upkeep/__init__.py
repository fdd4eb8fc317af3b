"""What is done to a whole store: check-up, re-index, transfer."""
