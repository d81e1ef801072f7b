"""Which values can run on a machine, and which CPUs a config is bound to."""
