"""Checks of what would disturb measurements on this machine, with advice."""
