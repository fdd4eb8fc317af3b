"""The caller's messages, read into exchanges with stable ids."""
