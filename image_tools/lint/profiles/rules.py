"""The profile under check, and the construction of findings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from image_tools.lint.findings import Finding, Severity
from image_tools.profiles.keyfile import Keyfile, KeyfileEntry, Sections

NO_PROMPT_HINT = "The device has no desktop that could prompt for it."


@dataclass(frozen=True)
class LintedProfile:
    """A keyfile with valid escapes, and the names of the files in the same directory, if known."""

    keyfile: Keyfile
    siblings: Collection[str] | None = None

    @property
    def name(self) -> str:
        return self.keyfile.name

    @cached_property
    def type(self) -> str:
        """The connection type, or an empty string."""
        return self.keyfile.type or ""

    @cached_property
    def sections(self) -> Sections:
        return self.keyfile.sections

    def text(self, section: str, key: str) -> str:
        """Return an unescaped value, or an empty string."""
        return self.keyfile.text(section, key) or ""

    def line(self, section: str, key: str = "") -> int | None:
        """Return the line of a key, else of its section."""
        entry = self.keyfile.entry(section, key) if key else None
        return self.keyfile.section_lines.get(section) if entry is None else entry.line

    def entries(self, section: str) -> list[KeyfileEntry]:
        return [entry for entry in self.keyfile.entries if entry.section == section]

    def flags(self, section: str, secret: str) -> int:
        """Return the NMSettingSecretFlags of a secret: 1 agent-owned, 2 not saved, 4 not required."""
        text = self.text(section, f"{secret}-flags")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0

    def error(self, code: str, line: int | None, reason: str, remedy: str) -> Finding:
        """Return an error; its message is "FILE, line LINE: REASON."."""
        return self._finding(code, Severity.ERROR, line, reason, remedy)

    def warning(self, code: str, line: int | None, reason: str, remedy: str) -> Finding:
        return self._finding(code, Severity.WARNING, line, reason, remedy)

    def _finding(self, code: str, severity: Severity, line: int | None, reason: str, remedy: str) -> Finding:
        place = self.name if line is None else f"{self.name}, line {line}"
        return Finding(code, severity, self.name, line, f"{place}: {reason}.", remedy)
