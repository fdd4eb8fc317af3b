"""What the engines share of lexical and semantic search."""
