"""Check a keyfile before it is added to an image: reject errors, return warnings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from image_tools.profiles.keyfile import normalize_keyfile, read_keyfile
from resin_toolkit.errors import BadValue, Notice

if TYPE_CHECKING:
    from image_tools.lint.findings import Finding

_FORBIDDEN = re.compile(r'[\x00-\x1f"*/:<>?\\|]')
_CHECK_ONLY = frozenset({"profile-no-uuid"})
"""Findings that only `resin configure --check` reports."""


def check_connection(name: str, data: bytes) -> list[Notice]:
    """Lint the keyfile `data`, to be written as `name` to `system-connections/`, and return warnings.

    Raises ConfigInvalid for an invalid keyfile, and BadValue for a profile that cannot work.
    """
    # Imported late for start-up time: most runs of `resin configure` add no keyfile.
    from image_tools.lint.profiles.linter import lint_keyfile

    _check_name(name)
    keyfile = read_keyfile(data, name)
    # A byte-order mark and CRLF are removed when the file is written; the parser reports them.
    findings = lint_keyfile(name, normalize_keyfile(data))
    for finding in findings:
        if finding.is_error:
            raise BadValue(finding.message, hint=finding.remedy, code=finding.code, line=finding.line)
    reported = {notice.code for notice in keyfile.notices}
    others = [f for f in findings if f.code not in _CHECK_ONLY and f.code not in reported]
    return [*keyfile.notices, *map(_notice, others)]


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
            f'"{name}" is not a valid file name on FAT.',
            hint='Rename it without control characters, "*/:<>?\\|, and a space or period at the end.',
            name=name,
        )
