"""What can be set: the knob table, configs, and splits in the graph."""
