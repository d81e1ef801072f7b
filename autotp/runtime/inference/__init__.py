"""Running a compiled model: inputs, infer requests, and generating tokens."""
