"""Values that files and events hold; measuring, deploying and reporting all use them."""
