"""Models on disk: their files, what they take and give, and what makes one a language model."""
