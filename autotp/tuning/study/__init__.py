"""The study: the record of a tuning, in Optuna's storage."""
