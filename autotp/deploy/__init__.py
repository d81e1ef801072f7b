"""What runs in production: the tuned.yaml format, the guard, `load`. Nothing here measures or searches."""
