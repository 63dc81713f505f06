"""Lint a NetworkManager keyfile against the sections, keys and value types of NetworkManager.

NetworkManager's own tools are lenient: they accept a passphrase of four characters and ignore misspelled
keys. `image_tools.lint.findings.CODES` lists the findings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from image_tools.lint.findings import Finding, Severity
from image_tools.lint.profiles.connection import connection_findings
from image_tools.lint.profiles.eap import eap_findings
from image_tools.lint.profiles.ip import address_findings
from image_tools.lint.profiles.rules import LintedProfile
from image_tools.lint.profiles.wifi import wifi_findings
from image_tools.profiles import settings, values
from image_tools.profiles.keyfile import Keyfile, KeyfileEntry, read_keyfile
from resin_toolkit.errors import ConfigInvalid

_SKIPPED = r"^\.|~$|\.(ignore|swp|swpx|pem|der|[A-Za-z0-9]{6})$"
_PLAIN_KEY = r"(?a)[a-z][a-z0-9._-]{0,30}"
_SECRET_SECTIONS = ("wifi-security", "802-1x", "wireguard", "vpn-secrets")
_PLAIN_SECTION = r"(?a)[A-Za-z0-9 ._-]{1,31}"
_RULES = (connection_findings, wifi_findings, eap_findings, address_findings)


def lint_keyfile(name: str, data: bytes, *, siblings: Collection[str] | None = None) -> list[Finding]:
    """Return the findings of the keyfile `data`, in line order.

    `name` is the file name. `siblings` are the names of the files in the same directory, if known;
    certificates must be among them.
    """
    findings = [*_name_findings(name), *_byte_findings(name, data)]
    try:
        keyfile = read_keyfile(data, name)
    except ConfigInvalid as error:
        line = error.facts.get("line")
        found = Finding(
            "keyfile-syntax",
            Severity.ERROR,
            name,
            line if isinstance(line, int) else None,
            error.message,
            error.hint,
        )
        return [*findings, found]
    profile = LintedProfile(keyfile, siblings)
    findings.extend(_duplicate_findings(profile))
    escape_findings = list(_escape_findings(profile))
    if not escape_findings:
        for rule in (_schema_findings, *_RULES):
            findings.extend(rule(profile))
    return sorted([*findings, *escape_findings], key=lambda found: found.line or 0)


def is_skipped(name: str) -> bool:
    """Whether NetworkManager ignores files with that name."""
    return re.search(_SKIPPED, name) is not None


def _name_findings(name: str) -> Iterator[Finding]:
    if is_skipped(name):
        message = f'NetworkManager ignores files with names like "{name}".'
        yield Finding("profile-skipped", Severity.WARNING, name, None, message, "Rename it.")


def _byte_findings(name: str, data: bytes) -> Iterator[Finding]:
    if data.startswith(b"\xef\xbb\xbf"):
        message = f"{name} starts with a byte-order mark, so the device cannot read it."
        yield Finding(
            "keyfile-bom", Severity.ERROR, name, 1, message, "Save it as UTF-8 without a byte-order mark."
        )
    if b"\r\n" in data:
        line = data.count(b"\n", 0, data.index(b"\r\n")) + 1
        message = f"{name} has Windows line endings."
        yield Finding(
            "keyfile-crlf", Severity.WARNING, name, line, message, "Save it with Unix line endings."
        )


def _duplicate_findings(profile: LintedProfile) -> Iterator[Finding]:
    seen: dict[tuple[str, str], int] = {}
    for entry in profile.keyfile.entries:
        location = (entry.section, entry.key)
        if location in seen:
            shown, before = _display_key(entry), seen[location]
            reason = f"duplicate {shown}; line {before} has no effect"
            yield profile.warning("keyfile-twice", entry.line, reason, "Remove one of the lines.")
        seen[location] = entry.line


def _escape_findings(profile: LintedProfile) -> Iterator[Finding]:
    for entry in profile.keyfile.entries:
        value_type = settings.value_type_of(entry.section, entry.key)
        if value_type in (None, "any") or profile.keyfile.entry(entry.section, entry.key) is not entry:
            continue
        try:
            profile.keyfile.text(entry.section, entry.key)
        except ConfigInvalid as error:
            yield Finding(
                "keyfile-escape", Severity.ERROR, profile.name, entry.line, error.message, error.hint
            )


def _schema_findings(profile: LintedProfile) -> Iterator[Finding]:
    keyfile = profile.keyfile
    for section, line in keyfile.section_lines.items():
        if settings.keys_of(section) is None:
            yield _unknown_section(profile, section, line)
    for entry in keyfile.entries:
        keys = settings.keys_of(entry.section)
        if keys is None:
            continue
        value_type = settings.value_type_of(entry.section, entry.key)
        if value_type is None:
            yield _unknown_key(profile, entry, list(keys))
        elif keyfile.entry(entry.section, entry.key) is entry:
            yield from _value_findings(profile, entry, value_type)


def _value_findings(profile: LintedProfile, entry: KeyfileEntry, value_type: str) -> Iterator[Finding]:
    text = profile.text(entry.section, entry.key)
    expected = values.expected_value(value_type, text)
    if expected is None or _has_its_own_code(entry):
        return
    yield profile.error(
        "keyfile-value", entry.line, f"{entry.key} must be {expected}", f"Correct {entry.key}=…."
    )


def _has_its_own_code(entry: KeyfileEntry) -> bool:
    return (entry.section, entry.key) in {
        ("connection", "uuid"),
        ("wifi", "ssid"),
        ("802-1x", "eap"),
        ("wireguard", "private-key"),
        ("ipv4", "method"),
        ("ipv6", "method"),
    }


def _unknown_section(profile: LintedProfile, section: str, line: int) -> Finding:
    suggestion = settings.nearest(section, settings.section_names())
    shown = f" [{section}]" if suggestion or re.fullmatch(_PLAIN_SECTION, section) else ""
    remedy = f"Did you mean [{suggestion}]?" if suggestion else "See `man nm-settings-keyfile`."
    return profile.warning("keyfile-unknown-section", line, f"unknown section{shown}", remedy)


def _unknown_key(profile: LintedProfile, entry: KeyfileEntry, keys: list[str]) -> Finding:
    suggestion = settings.nearest(entry.key, keys)
    if suggestion is not None and "#" in suggestion:
        suggestion = suggestion.replace("#", "1")
    remedy = f"Did you mean {suggestion}?" if suggestion else "See `man nm-settings`."
    sections = [] if suggestion else [name for name in settings.section_names() if _is_in(name, entry.key)]
    if len(sections) == 1:
        remedy = f"It belongs in [{sections[0]}]."
    shown = _display_key(entry) if not (suggestion or sections) else entry.key
    reason = f"unknown {shown} in [{_section_name(entry.section)}]; NetworkManager ignores it"
    return profile.warning("keyfile-unknown-key", entry.line, reason, remedy)


def _is_in(section: str, key: str) -> bool:
    return settings.value_type_of(section, key) not in (None, "any")


def _display_key(entry: KeyfileEntry) -> str:
    """Return the name of a key, or "key" if it may be part of a secret that contains "="."""
    if settings.value_type_of(entry.section, entry.key) not in (None, "any"):
        return entry.key
    is_plain = re.fullmatch(_PLAIN_KEY, entry.key) and entry.section not in _SECRET_SECTIONS
    return entry.key if is_plain else "key"


def _section_name(section: str) -> str:
    return section if len(section) < 32 else f"{section[:31]}…"


__all__ = ["Finding", "Keyfile", "Severity", "is_skipped", "lint_keyfile"]
