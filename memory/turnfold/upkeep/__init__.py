"""What someone does to a memory by hand: backfill, notes, re-index, check-up, dry run."""
