"""Whether a config's outputs are correct: output errors, and the gate that judges them."""
