"""Proof that tensor parallelism took effect, from the activity of threads."""
