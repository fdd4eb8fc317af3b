"""The rewritten body: quotation, cache breakpoints, thinking, carried state, refusals."""
