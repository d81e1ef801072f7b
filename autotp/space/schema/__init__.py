"""The schema of a search space file, and the choices that it becomes on a machine."""
