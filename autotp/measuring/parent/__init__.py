"""Worker processes as the parent sees them: started, watched, heard and ended."""
