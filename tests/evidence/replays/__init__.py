"""Replays of searches on tables of everything that could have been measured: what each finds, after how much."""
