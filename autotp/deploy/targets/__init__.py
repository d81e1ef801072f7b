"""The targets: ways to deploy a tuned config."""
