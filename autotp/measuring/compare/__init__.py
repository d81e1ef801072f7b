"""Two settings against each other."""
