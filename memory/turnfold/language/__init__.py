"""What text says: sentences and stems, quantities, spans of time."""
