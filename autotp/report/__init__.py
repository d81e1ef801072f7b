"""Reports: what people see of a tuning, a machine, a space, and the dashboard."""
