"""The raw values of blocks, and what is computed from them: metrics, statistics, weather."""
