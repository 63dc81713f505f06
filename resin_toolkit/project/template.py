"""`%%NAME%%` in a Dockerfile: what differs from board to board, and from service to service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from resin_toolkit.errors import BadValue

_VARIABLE = re.compile(r"%%([A-Za-z][A-Za-z0-9_]*)%%")
_MACHINE, _ARCH, _SERVICE, _APPLICATION = "MACHINE_NAME", "ARCH", "SERVICE_NAME", "APP_NAME"
NAMES = tuple(
    f"{family}_{what}" for family in ("RESIN", "BALENA") for what in (_MACHINE, _ARCH, _SERVICE, _APPLICATION)
)


def template_values(
    machine: str = "", arch: str = "", service: str = "", application: str = ""
) -> dict[str, str]:
    """The value of each variable; empty is one that is not known."""
    known = {_MACHINE: machine, _ARCH: arch, _SERVICE: service, _APPLICATION: application}
    return {name: known[name.partition("_")[2]] for name in NAMES}


def fill_template(text: str, known: Mapping[str, str], file: str) -> str:
    """The text of `file` with each variable's value in its place.

    Raises BadValue for a variable that does not exist or whose value is not known; in a comment both stay.
    """
    lines = text.split("\n")
    return "\n".join(_filled_line(line, known, file, number) for number, line in enumerate(lines, 1))


def _filled_line(line: str, known: Mapping[str, str], file: str, number: int) -> str:
    is_comment = line.lstrip().startswith("#")

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if known.get(name):
            return known[name]
        if is_comment:
            return found[0]
        raise _failure(name, file, number)

    return _VARIABLE.sub(value, line)


def _failure(name: str, file: str, line: int) -> BadValue:
    if name not in NAMES:
        close = get_close_matches(name.upper(), NAMES, n=1, cutoff=0.5)
        return BadValue(
            f"{file}, line {line}: there is no variable %%{name}%%.",
            hint=f"Did you mean %%{close[0]}%%?" if close else f"There are {', '.join(NAMES)}.",
            file=file,
            line=line,
        )
    what = name.partition("_")[2]
    if what in (_MACHINE, _ARCH):
        wanted = "type" if what == _MACHINE else "architecture"
        return BadValue(
            f"{file}, line {line}: %%{name}%% has no value, because the device's {wanted} is not known.",
            hint="`--device-type NAME` tells it: raspberrypi3, for example.",
            file=file,
            line=line,
        )
    return BadValue(
        f"{file}, line {line}: %%{name}%% has no value here.",
        hint="Write the name itself in its place.",
        file=file,
        line=line,
    )
