"""A linter for NetworkManager's keyfiles, with the sections, keys and kinds of value of its settings.

NetworkManager's own tools are lenient judges: they take a passphrase of four characters, and pass over a key
that is misspelt. `finding.CODES` lists what is found here.
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
_WITH_SECRETS = ("wifi-security", "802-1x", "wireguard", "vpn-secrets")
_PLAIN_SECTION = r"(?a)[A-Za-z0-9 ._-]{1,31}"
_RULES = (connection_findings, wifi_findings, eap_findings, address_findings)


def lint_keyfile(name: str, data: bytes, *, beside: Collection[str] | None = None) -> list[Finding]:
    """All that is wrong or dubious in the keyfile `data`, in the order of its lines.

    `name` is the file's name, `beside` the names of the files in the same directory of the device, where they
    are known: certificates are looked for among them.
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
    profile = LintedProfile(keyfile, beside)
    findings.extend(_double_findings(profile))
    broken = list(_escape_findings(profile))
    if not broken:
        for rule in (_table_findings, *_RULES):
            findings.extend(rule(profile))
    return sorted([*findings, *broken], key=lambda found: found.line or 0)


def is_skipped(name: str) -> bool:
    """Whether NetworkManager passes over a file of that name."""
    return re.search(_SKIPPED, name) is not None


def _name_findings(name: str) -> Iterator[Finding]:
    if is_skipped(name):
        message = f'The device passes over files named like "{name}".'
        yield Finding("profile-skipped", Severity.WARNING, name, None, message, "Rename it.")


def _byte_findings(name: str, data: bytes) -> Iterator[Finding]:
    if data.startswith(b"\xef\xbb\xbf"):
        message = f"{name} starts with a byte-order mark, so the device cannot read it."
        yield Finding("keyfile-bom", Severity.ERROR, name, 1, message, "Save it as UTF-8 without one.")
    if b"\r\n" in data:
        line = data.count(b"\n", 0, data.index(b"\r\n")) + 1
        message = f"{name} has Windows line endings."
        yield Finding(
            "keyfile-crlf", Severity.WARNING, name, line, message, "Save it with line ends of Unix."
        )


def _double_findings(profile: LintedProfile) -> Iterator[Finding]:
    seen: dict[tuple[str, str], int] = {}
    for entry in profile.keyfile.entries:
        place = (entry.section, entry.key)
        if place in seen:
            shown, before = _shown(entry).replace("such key", "a key"), seen[place]
            reason = f"{shown} stands in its section for the second time; line {before} is without effect"
            yield profile.warning("keyfile-twice", entry.line, reason, "Remove one of the two lines.")
        seen[place] = entry.line


def _escape_findings(profile: LintedProfile) -> Iterator[Finding]:
    for entry in profile.keyfile.entries:
        kind = settings.kind_of(entry.section, entry.key)
        if kind in (None, "any") or profile.keyfile.entry(entry.section, entry.key) is not entry:
            continue
        try:
            profile.keyfile.text(entry.section, entry.key)
        except ConfigInvalid as error:
            yield Finding(
                "keyfile-escape", Severity.ERROR, profile.name, entry.line, error.message, error.hint
            )


def _table_findings(profile: LintedProfile) -> Iterator[Finding]:
    keyfile = profile.keyfile
    for section, line in keyfile.section_lines.items():
        if settings.keys_of(section) is None:
            yield _unknown_section(profile, section, line)
    for entry in keyfile.entries:
        keys = settings.keys_of(entry.section)
        if keys is None:
            continue
        kind = settings.kind_of(entry.section, entry.key)
        if kind is None:
            yield _unknown_key(profile, entry, list(keys))
        elif keyfile.entry(entry.section, entry.key) is entry:
            yield from _value_findings(profile, entry, kind)


def _value_findings(profile: LintedProfile, entry: KeyfileEntry, kind: str) -> Iterator[Finding]:
    text = profile.text(entry.section, entry.key)
    wrong = values.problem(kind, text)
    if wrong is None or _has_its_own_code(entry):
        return
    yield profile.error("keyfile-value", entry.line, f"{entry.key} must be {wrong}", f"Mend {entry.key}=….")


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
    meant = settings.nearest(section, settings.section_names())
    shown = f" [{section}]" if meant or re.fullmatch(_PLAIN_SECTION, section) else ""
    remedy = f"Did you mean [{meant}]?" if meant else "Compare it with `man nm-settings-keyfile`."
    return profile.warning(
        "keyfile-unknown-section", line, f"NetworkManager has no such section{shown}", remedy
    )


def _unknown_key(profile: LintedProfile, entry: KeyfileEntry, keys: list[str]) -> Finding:
    meant = settings.nearest(entry.key, keys)
    if meant is not None and "#" in meant:
        meant = meant.replace("#", "1")
    remedy = f"Did you mean {meant}?" if meant else "Compare it with `man nm-settings`."
    holders = [] if meant else [name for name in settings.section_names() if _is_in(name, entry.key)]
    if len(holders) == 1:
        remedy = f"It belongs in [{holders[0]}]."
    shown = _shown(entry) if not (meant or holders) else entry.key
    reason = f"NetworkManager has no {shown} in [{_section_name(entry.section)}], and passes it over"
    return profile.warning("keyfile-unknown-key", entry.line, reason, remedy)


def _is_in(section: str, key: str) -> bool:
    return settings.kind_of(section, key) not in (None, "any")


def _shown(entry: KeyfileEntry) -> str:
    """A key's name, unless it may be a secret with a "=" in it that came here by mistake."""
    if settings.kind_of(entry.section, entry.key) not in (None, "any"):
        return entry.key
    is_plain = re.fullmatch(_PLAIN_KEY, entry.key) and entry.section not in _WITH_SECRETS
    return entry.key if is_plain else "such key"


def _section_name(section: str) -> str:
    return section if len(section) < 32 else f"{section[:31]}…"


__all__ = ["Finding", "Keyfile", "Severity", "is_skipped", "lint_keyfile"]
