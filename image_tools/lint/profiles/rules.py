"""What the rules of the linter look at, and the sentences that they make."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from image_tools.lint.findings import Finding, Severity
from image_tools.profiles.keyfile import Keyfile, KeyfileEntry, Sections

ASKED_FOR = "The device has no desktop that could be asked."


@dataclass(frozen=True)
class LintedProfile:
    """A keyfile without a wrong escape, and the names of the files beside it, where they are known."""

    keyfile: Keyfile
    beside: Collection[str] | None = None

    @property
    def name(self) -> str:
        return self.keyfile.name

    @cached_property
    def type(self) -> str:
        """The type of connection; empty where there is none."""
        return self.keyfile.type or ""

    @cached_property
    def sections(self) -> Sections:
        return self.keyfile.sections

    def text(self, section: str, key: str) -> str:
        """A value without its escapes; empty where there is none."""
        return self.keyfile.text(section, key) or ""

    def line(self, section: str, key: str = "") -> int | None:
        """The line of a key, or of the section where there is none."""
        entry = self.keyfile.entry(section, key) if key else None
        return self.keyfile.section_lines.get(section) if entry is None else entry.line

    def entries(self, section: str) -> list[KeyfileEntry]:
        return [entry for entry in self.keyfile.entries if entry.section == section]

    def flags(self, section: str, secret: str) -> int:
        """Who keeps a secret: NMSettingSecretFlags, 1 for an agent, 2 for nobody, 4 for not needed."""
        text = self.text(section, f"{secret}-flags")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0

    def error(self, code: str, line: int | None, reason: str, remedy: str) -> Finding:
        """`reason` goes on behind the file's name and line."""
        return self._finding(code, Severity.ERROR, line, reason, remedy)

    def warning(self, code: str, line: int | None, reason: str, remedy: str) -> Finding:
        return self._finding(code, Severity.WARNING, line, reason, remedy)

    def _finding(self, code: str, severity: Severity, line: int | None, reason: str, remedy: str) -> Finding:
        place = self.name if line is None else f"{self.name}, line {line}"
        return Finding(code, severity, self.name, line, f"{place}: {reason}.", remedy)
