"""One tuning from start to end: baselines, search, finals, verdict, and the study that records it."""
