"""A whole tuning: baselines, search, finals, verdict, and the study that keeps it all."""
