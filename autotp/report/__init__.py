"""Reports for users: tunings, measurements, machines, spaces and tuned files as text, and the dashboard."""
