"""Blocks' raw values, and what follows from them: metrics, statistics, weather."""
