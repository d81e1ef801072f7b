"""The race: candidates against the baseline in rounds, with an estimate of each one's gain."""
