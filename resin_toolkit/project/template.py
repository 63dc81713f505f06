"""Variables `%%NAME%%` in a Dockerfile, which depend on the device and the service.

Source: https://docs.balena.io/learn/develop/dockerfile/#dockerfile-templates
"""

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
    """Return the value of each variable; empty if it is unknown."""
    known = {_MACHINE: machine, _ARCH: arch, _SERVICE: service, _APPLICATION: application}
    return {name: known[name.partition("_")[2]] for name in NAMES}


def fill_template(text: str, known: Mapping[str, str], file: str) -> str:
    """Replace the variables in the text of `file`.

    Raises BadValue for a variable that is unknown or has no value; in comments, these are kept.
    """
    lines = text.split("\n")
    return "\n".join(_fill_line(line, known, file, number) for number, line in enumerate(lines, 1))


def _fill_line(line: str, known: Mapping[str, str], file: str, number: int) -> str:
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
            f"{file}, line {line}: %%{name}%% is not a known variable.",
            hint=f"Did you mean %%{close[0]}%%?" if close else f"Use {', '.join(NAMES)}.",
            file=file,
            line=line,
        )
    what = name.partition("_")[2]
    if what in (_MACHINE, _ARCH):
        wanted = "device type" if what == _MACHINE else "architecture"
        return BadValue(
            f"{file}, line {line}: %%{name}%% has no value: the {wanted} is unknown.",
            hint="Pass it with --device-type, for example raspberrypi3.",
            file=file,
            line=line,
        )
    return BadValue(
        f"{file}, line {line}: %%{name}%% has no value here.",
        hint="Write the value instead of the variable.",
        file=file,
        line=line,
    )
