"""Changes to a model's graph: splitting fully connected layers, and paged attention."""
