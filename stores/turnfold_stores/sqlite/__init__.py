"""A ledger and an index in one SQLite file."""
