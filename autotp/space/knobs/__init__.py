"""What can be set: the table of knobs, configs, and splits of the graph."""
