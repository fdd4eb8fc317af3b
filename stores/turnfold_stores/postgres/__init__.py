"""A store in PostgreSQL: ledger, words and pgvector."""
