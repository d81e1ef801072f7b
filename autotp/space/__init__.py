"""Knobs and search spaces: what can be set, which values to try on a machine, and which are equivalent."""
