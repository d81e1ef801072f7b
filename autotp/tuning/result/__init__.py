"""What a tuning found: the verdict, the Pareto front, the content of tuned.yaml."""
