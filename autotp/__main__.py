"""`python -m autotp` is `autotp`."""

from autotp.cli import main

main()
