"""Tokens, prices, and the receipt."""
