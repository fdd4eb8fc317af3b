"""What a summary says, and the checks that nothing else gets into it."""
