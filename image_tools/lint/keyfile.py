"""Whether a ready keyfile can work on a device: refuses what cannot, tells of what is dubious."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from image_tools.profiles.keyfile import normalize_keyfile, read_keyfile
from resin_toolkit.errors import BadValue, Notice

if TYPE_CHECKING:
    from image_tools.lint.findings import Finding

_FORBIDDEN = re.compile(r'[\x00-\x1f"*/:<>?\\|]')
_QUIET = frozenset({"profile-no-uuid"})
"""What works all the same, and is worth a word only to one who asks for all."""


def check_connection(name: str, data: bytes) -> list[Notice]:
    """What is dubious in the keyfile `data`, to be written as `name` into `system-connections/`.

    Raises ConfigInvalid for what is no keyfile, and BadValue for a profile that can never work.
    """
    # The linter is loaded for those who bring a profile: most runs of `resin configure` bring none.
    from image_tools.lint.profiles.linter import lint_keyfile

    _check_name(name)
    keyfile = read_keyfile(data, name)
    # A byte-order mark and Windows line ends are mended when the file is written, and told of by the reader.
    findings = lint_keyfile(name, normalize_keyfile(data))
    for finding in findings:
        if finding.is_error:
            raise BadValue(finding.message, hint=finding.remedy, code=finding.code, line=finding.line)
    told = {notice.code for notice in keyfile.notices}
    dubious = [f for f in findings if f.code not in _QUIET and f.code not in told]
    return [*keyfile.notices, *map(_notice, dubious)]


def _notice(finding: Finding) -> Notice:
    return Notice(finding.code, f"{finding.message} {finding.remedy}".rstrip())


def _check_name(name: str) -> None:
    if (
        not name
        or _FORBIDDEN.search(name)
        or name.endswith((" ", "."))
        or len(name.encode("utf-16-le")) > 510
    ):
        raise BadValue(
            f'"{name}" cannot be the name of a file on FAT.',
            hint='Rename it: no control characters, none of "*/:<>?\\|, no space or full stop at the end.',
            name=name,
        )
