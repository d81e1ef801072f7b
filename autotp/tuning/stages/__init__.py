"""The stages of a tuning: baselines, search, play-off, finals."""
