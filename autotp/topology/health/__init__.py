"""What would make a measurement untrustworthy here, and what to do about each."""
