"""Everything that uses OpenVINO: reading, reshaping, splitting and compiling models, inference, generation."""
