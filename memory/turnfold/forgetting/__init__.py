"""Exchanges go, with all that was made of them, and stay gone."""
