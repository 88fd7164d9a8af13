"""Training: step time, quality on real data, and resuming after a kill."""
