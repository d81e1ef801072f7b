"""The stages of a tuning: baselines, noise, search, play-off, finals."""
