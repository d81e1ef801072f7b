"""The stages of a tuning, in this order: baselines, noise, search, play-off, finals."""
