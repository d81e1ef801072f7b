"""The study in Optuna's storage."""
