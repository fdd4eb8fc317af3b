"""An index in Chroma, in a folder or on a server, and the store in a folder."""
