"""What runs in production: the tuned.yaml format, the checks before it is applied, `load`, and ways to deploy."""
