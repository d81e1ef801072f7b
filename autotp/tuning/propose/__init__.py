"""Proposers: they choose which config is measured next."""
