"""From a config to a running arm: the one way, for a tuning, a measurement and a comparison."""
