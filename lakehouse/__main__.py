"""python -m lakehouse: the command line."""

from lakehouse.cli import main

main()
