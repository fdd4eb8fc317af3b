"""The door for agents that ask for memory themselves: an MCP server over a store."""
