"""Worker processes, managed by the parent: start, time limits, messages, output, end."""
