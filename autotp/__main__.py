"""Make `python -m autotp` run the command line."""

from autotp.cli import main

main()
