"""Models on disk: their files, inputs and outputs, and what is special about language models."""
