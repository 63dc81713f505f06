"""`python -m resin_toolkit`, the same as `resin`."""

from resin_toolkit.cli import main

main()
