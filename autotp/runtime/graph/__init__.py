"""Changes to a model's graph: fully connected layers split, attention paged."""
