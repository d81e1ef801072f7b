"""Which configs OpenVINO treats alike: predicted, so that each is tried once."""
