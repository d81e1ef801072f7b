"""Files below `/proc` and `/sys`: found, read and parsed, live or recorded."""
