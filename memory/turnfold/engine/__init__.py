"""One turn, step by step, and what the turns of a process share."""
