"""What the command line takes: options made from declarations, and click types for them."""
