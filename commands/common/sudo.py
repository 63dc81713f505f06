"""The command line that runs the same command as root."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

_PRESERVED = re.compile(r"RESIN_[A-Z_]+|NO_COLOR|SOURCE_DATE_EPOCH|PYTHONPATH|VIRTUAL_ENV")
_PASSWORD = re.compile(r"(://[^/@:]*:)[^@]*@")


def sudo_line(arguments: Sequence[str]) -> str:
    """Return the shell command that runs this `resin` with `arguments` as root, in the same environment.

    Environment variables are passed on by name. Passwords in URLs are hidden.
    """
    names = sorted(name for name in os.environ if _PRESERVED.fullmatch(name))
    words = ["sudo", *([f"--preserve-env={','.join(names)}"] if names else []), *_program()]
    return shlex.join([*words, *(_PASSWORD.sub(r"\1***@", argument) for argument in arguments)])


def _program() -> list[str]:
    """The command that started this run, with full paths."""
    program = Path(sys.argv[0])
    if program.name in ("resin", "resin.exe"):
        found = shutil.which(str(program)) or str(program)
        return [str(Path(found).absolute())]
    return [sys.executable, "-m", "resin_toolkit"]
