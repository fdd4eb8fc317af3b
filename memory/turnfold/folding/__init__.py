"""When to fold, how far, and building the fold."""
