"""One target in this process: `python -m fuzz.one TARGET [OPTIONS OF LIBFUZZER]`."""

import sys

from fuzz.__main__ import fuzz

fuzz(sys.argv[1], sys.argv[2:])
