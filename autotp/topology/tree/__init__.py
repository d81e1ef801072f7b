"""Finding, reading and parsing files below `/proc` and `/sys`, live or recorded."""
