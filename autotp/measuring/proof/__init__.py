"""Whether tensor parallelism took effect, from what the threads did."""
