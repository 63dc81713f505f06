"""Lint the boot partition of an image: config.json, network profiles and proxy.

Nothing is written. The codes of the findings are those of `image_tools.lint.findings.CODES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from image_tools import config as config_file
from image_tools.boot_partition import BootPartition
from image_tools.config.check import FATAL, find_problems
from image_tools.connection_files import connection_files
from image_tools.fat import DirectoryEntry, FatFileSystem
from image_tools.lint.findings import CODES, Finding, Severity
from image_tools.lint.profiles.linter import is_skipped, lint_keyfile
from image_tools.lint.profiles.wifi import is_plain_passphrase
from image_tools.lint.proxy import no_proxy_findings, redsocks_findings
from image_tools.profiles.keyfile import Keyfile, normalize_keyfile, read_keyfile
from image_tools.profiles.profile_summary import is_sample
from resin_toolkit.errors import ConfigInvalid, FileSystemDamaged

CONFIG = "config.json"
CONNECTIONS = "system-connections"
REDSOCKS = "system-proxy/redsocks.conf"
NO_PROXY = "system-proxy/no_proxy"
_LARGEST = 1 << 20
_LARGEST_CONFIG = 4 << 20
_UNUSED = ".ignore"
_CHECKED_KEYS = (
    ("connection", "id"),
    ("connection", "uuid"),
    ("wifi-security", "key-mgmt"),
    ("wifi-security", "psk"),
)
_BEGIN = b"-----BEGIN "
_PRIVATE_KEY = re.compile(rb"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----")
_ENCRYPTED = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED")
_DER = re.compile(rb"\x30[\x80-\x84]")

__all__ = ["CODES", "Finding", "Severity", "check_image"]


@dataclass(frozen=True)
class _File:
    """A file of `system-connections`: a profile, or a certificate or key that a profile may name."""

    name: str
    data: bytes = field(repr=False)

    @property
    def path(self) -> str:
        return f"{CONNECTIONS}/{self.name}"

    @property
    def is_certificate(self) -> bool:
        return b"[connection]" not in self.data and (_BEGIN in self.data or _DER.match(self.data) is not None)


def check_image(boot: BootPartition) -> list[Finding]:
    """Return the findings of the boot partition, file by file, each in line order.

    Files with the suffix `.ignore` and files of other types are not checked. Raises FileSystemDamaged if a
    directory cannot be read.
    """
    filesystem = boot.filesystem
    return [
        *_config_findings(filesystem),
        *_connections_findings(filesystem),
        *_text_findings(filesystem, REDSOCKS),
        *_text_findings(filesystem, NO_PROXY),
    ]


# config.json


def _config_findings(filesystem: FatFileSystem) -> Iterator[Finding]:
    entry = filesystem.find(f"/{CONFIG}")
    if entry is None:
        return
    data = _content(filesystem, entry, _LARGEST_CONFIG)
    if isinstance(data, Finding):
        yield replace(data, code="config-syntax", file=CONFIG)
        return
    yield from _config_byte_findings(data)
    try:
        config = config_file.parse(data)
    except ConfigInvalid as error:
        line = error.facts.get("line")
        yield _error(
            "config-syntax", CONFIG, line if isinstance(line, int) else None, error.message, error.hint
        )
        return
    text = data.decode("utf-8", "replace")
    for problem in find_problems(config):
        severity = Severity.ERROR if problem.code in FATAL else Severity.WARNING
        line = _line_of(text, problem.name) or _line_of(text, problem.name.rpartition(".")[2])
        yield Finding(problem.code.value, severity, CONFIG, line, problem.message, problem.hint)


def _config_byte_findings(data: bytes) -> Iterator[Finding]:
    remedy = "Save it as plain UTF-8, or set any key with `resin configure`, which rewrites the file."
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        message = f"{CONFIG} starts with a byte-order mark, which programs on the device reject."
        yield _error("config-bom", CONFIG, 1, message, remedy)
    if b"\r\n" in data:
        line = data.count(b"\n", 0, data.index(b"\r\n")) + 1
        message = f"{CONFIG} has Windows line endings."
        yield _warning("config-crlf", CONFIG, line, message, "Save it with Unix line endings.")


def _line_of(text: str, key: str) -> int | None:
    """Return the line where `key` first appears as a key."""
    found = re.search(rf'"{re.escape(key)}"\s*:', text)
    return None if found is None else text.count("\n", 0, found.start()) + 1


# system-connections


def _connections_findings(filesystem: FatFileSystem) -> Iterator[Finding]:
    entries = connection_files(filesystem)
    siblings = frozenset(entry.name for entry in entries)
    used: list[tuple[_File, Keyfile]] = []
    for entry in entries:
        if entry.name.lower().endswith(_UNUSED):
            continue
        data = _content(filesystem, entry, _LARGEST)
        if isinstance(data, Finding):
            yield data
            continue
        file = _File(entry.name, data)
        yield from _file_findings(file, siblings)
        keyfile = _used_keyfile(file)
        if keyfile is not None:
            used.append((file, keyfile))
    for code, key in (("profile-same-id", "id"), ("profile-same-uuid", "uuid")):
        yield from _duplicate_findings(used, code, key)


def _file_findings(file: _File, siblings: frozenset[str]) -> Iterator[Finding]:
    if file.is_certificate:
        yield from _key_findings(file)
    elif is_sample(file.name, file.data):
        message = f"{file.name} is an active sample profile without a real network."
        yield _warning(
            "sample-active", file.path, None, message, f"Remove it, or rename it to {file.name}{_UNUSED}."
        )
    elif not is_skipped(file.name) or b"[connection]" in file.data:
        for finding in lint_keyfile(file.name, file.data, siblings=siblings):
            yield replace(finding, file=file.path)
        yield from _passphrase_findings(file)


def _key_findings(file: _File) -> Iterator[Finding]:
    found = _PRIVATE_KEY.search(file.data)
    if found is None or _ENCRYPTED.search(file.data):
        return
    line = file.data.count(b"\n", 0, found.start()) + 1
    message = f"{file.name} contains an unencrypted private key; anyone with the card can read it."
    remedy = "Encrypt it (`openssl pkcs8 -topk8`) and set private-key-password=… in the profile."
    yield _warning("secret-private-key", file.path, line, message, remedy)


def _passphrase_findings(file: _File) -> Iterator[Finding]:
    keyfile = _used_keyfile(file)
    if keyfile is not None and is_plain_passphrase(keyfile):
        entry = keyfile.entry("wifi-security", "psk")
        message = f"{file.name} stores the Wi-Fi passphrase where the derived key would suffice."
        remedy = "Write the profile with `resin configure --wifi`, or use the output of `wpa_passphrase`."
        yield _warning("secret-passphrase", file.path, entry.line if entry else None, message, remedy)


def _used_keyfile(file: _File) -> Keyfile | None:
    """Return the keyfile, or None if the device ignores it or it cannot be parsed."""
    if file.is_certificate or is_skipped(file.name):
        return None
    try:
        keyfile = read_keyfile(normalize_keyfile(file.data), file.name)
        for section, key in _CHECKED_KEYS:
            keyfile.text(section, key)
    except ConfigInvalid:
        return None
    return keyfile


def _duplicate_findings(used: list[tuple[_File, Keyfile]], code: str, key: str) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for file, keyfile in used:
        value = keyfile.text("connection", key) or ""
        normalized = value.lower() if key == "uuid" else value
        if not value:
            continue
        if normalized not in first:
            first[normalized] = file.name
            continue
        entry = keyfile.entry("connection", key)
        message = f"{file.name} has the same {key} as {first[normalized]}."
        severity = Severity.ERROR if key == "uuid" else Severity.WARNING
        remedy = f"Remove one of them, or change its {key}."
        yield Finding(code, severity, file.path, entry.line if entry else None, message, remedy)


# system-proxy


def _text_findings(filesystem: FatFileSystem, path: str) -> Iterator[Finding]:
    entry = filesystem.find(f"/{path}")
    if entry is None:
        return
    data = _content(filesystem, entry, _LARGEST)
    if isinstance(data, Finding):
        yield replace(data, code="proxy-syntax", file=path)
    elif path == REDSOCKS:
        yield from redsocks_findings(data, path)
    else:
        yield from no_proxy_findings(data, path)


def _content(filesystem: FatFileSystem, entry: DirectoryEntry, largest: int) -> bytes | Finding:
    """Return the content of a file, or a finding if it cannot be read."""
    path = entry.path.lstrip("/")
    if entry.is_directory or entry.size > largest:
        reason = "it is a directory" if entry.is_directory else "it is too large"
        message = f"{path} is not a configuration file: {reason}."
        return _error("profile-unreadable", path, None, message, "Remove it with `resin image rm`.")
    try:
        return filesystem.read(entry.path)
    except FileSystemDamaged as error:
        return _error("profile-unreadable", path, None, f"{path}: {error.message}", error.hint)


def _error(code: str, file: str, line: int | None, message: str, remedy: str) -> Finding:
    return Finding(code, Severity.ERROR, file, line, message, remedy)


def _warning(code: str, file: str, line: int | None, message: str, remedy: str) -> Finding:
    return Finding(code, Severity.WARNING, file, line, message, remedy)
