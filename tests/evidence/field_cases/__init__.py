"""Cases that people in this field have met, replayed on the command line in fresh folders."""
