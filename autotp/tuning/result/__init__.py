"""Results: the Pareto front, and the content of tuned.yaml."""
