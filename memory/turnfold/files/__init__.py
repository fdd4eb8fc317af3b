"""The files that Claude keeps with Anthropic's memory tool: paths, edits, how they are stored."""
