"""Whether a config answers as it should: output errors and the gate."""
