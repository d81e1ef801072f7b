"""Running a compiled model: inputs, infer requests, generations of tokens."""
