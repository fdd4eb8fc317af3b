"""Who writes summaries, and what asks them."""
