"""Files that other programs wrote go in; conversations as the Messages API takes them come out."""
