"""Candidates raced against the baseline, and what is known of each."""
