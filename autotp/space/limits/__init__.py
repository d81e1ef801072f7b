"""What a machine, its envelope and its precision allow, and which CPUs a config takes."""
