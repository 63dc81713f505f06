"""`python -m resin_toolkit`, the same as `resin`."""

import os
import sys

# Python puts the current folder first, and a project in it may have modules of any name.
if sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 - pathlib would come from that folder
    del sys.path[0]

from resin_toolkit.cli.main import main

main()
