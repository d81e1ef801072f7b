"""Running arms: rounds of blocks, waves of fresh processes, and the noise of the baseline against itself."""
