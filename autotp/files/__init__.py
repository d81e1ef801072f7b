"""Reading strict YAML into typed values, writing YAML, and atomic writes of files."""
