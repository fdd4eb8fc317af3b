"""Hybrid retrieval: from the newest question to the passages that are worth their tokens."""
