"""Arms in rounds: blocks of all arms in turn, noise, and fresh processes in waves."""
