"""Measuring configs in worker processes: rounds of timed blocks, statistics, and checks of outputs and splits."""
