"""Measurement: workers, blocks in rounds, statistics, proof, and the output gate."""
