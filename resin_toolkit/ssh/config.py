"""The settings of a host in ~/.ssh/config (ssh_config(5))."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from resin_toolkit.errors import ConfigInvalid

if TYPE_CHECKING:
    from paramiko.config import SSHConfigDict

DEFAULT_KEY_FILES = ("id_ed25519", "id_ecdsa", "id_rsa")
"""Key files in ~/.ssh that are tried if none is configured."""
_INCLUDES = 16
"""The maximum depth of Include, as in OpenSSH."""
_WORD = re.compile(r'"([^"]*)"|(\S+)')


@dataclass(frozen=True)
class HostConfig:
    """The settings of one host. Those that are not configured are None or empty."""

    alias: str
    host: str
    """HostName, else the alias itself."""
    user: str | None = None
    port: int | None = None
    identity_files: tuple[Path, ...] = ()
    identities_only: bool = False
    """Whether only those keys of the agent may be offered that are identity files too."""
    jumps: tuple[str, ...] = ()
    """ProxyJump: `[USER@]HOST[:PORT]` each, in the order of connecting."""
    rekey_bytes: int | None = None
    """RekeyLimit, in bytes."""


def ssh_folder() -> Path:
    return Path.home() / ".ssh"


def find_host_config(alias: str) -> HostConfig | None:
    """The settings of `alias`; None if no Host line names it. A lone `*` does not count.

    Raises ConfigInvalid.
    """
    text = _read()
    return _look_up(text, alias) if _is_named(text, alias) else None


def host_config(host: str) -> HostConfig:
    """The settings that apply to `host`. Of `Host *`, only the keys apply: the user of a device is root.

    Raises ConfigInvalid.
    """
    text = _read()
    if not text:
        return HostConfig(host, host)
    found = _look_up(text, host)
    if _is_named(text, host):
        return found
    return HostConfig(host, host, identity_files=found.identity_files, identities_only=found.identities_only)


def _read() -> str:
    """The file with its includes, as one text; empty if there is none."""
    return "\n".join(_lines(ssh_folder() / "config", _INCLUDES))


def _lines(path: Path, depth: int) -> list[str]:
    """The lines of a file and of what it includes. Raises ConfigInvalid."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        key, words = _split_line(line)
        if key != "include":
            lines.append(line)
        elif not depth:
            raise ConfigInvalid(
                f"{path} is included through more than {_INCLUDES} files.",
                hint="A file may not include itself, as `Include *` does.",
            )
        else:
            lines += [inner for word in words for file in _files(word) for inner in _lines(file, depth - 1)]
    return lines


def _files(pattern: str) -> list[Path]:
    try:
        path = Path(os.path.expanduser(pattern))  # noqa: PTH111 - a pattern, not a path
        base = Path(path.anchor) if path.is_absolute() else ssh_folder()
        return sorted(base.glob(str(path.relative_to(path.anchor))))
    except (OSError, ValueError, IndexError, NotImplementedError):
        # A pattern that no file can match: a null byte, a name that is too long, `a**`.
        return []


def _split_line(line: str) -> tuple[str, list[str]]:
    """The keyword in lower case, and its words."""
    match = re.match(r"\s*(\w+)(?:\s*=\s*|\s+)(.*)", line)
    if match is None:
        return "", []
    return match[1].lower(), [quoted or plain for quoted, plain in _WORD.findall(match[2])]


def _is_named(text: str, host: str) -> bool:
    for line in text.splitlines():
        key, patterns = _split_line(line)
        if key != "host":
            continue
        refused = any(p.startswith("!") and fnmatchcase(host, p[1:]) for p in patterns)
        if not refused and any(p.strip("*") and fnmatchcase(host, p) for p in patterns):
            return True
    return False


def _look_up(text: str, alias: str) -> HostConfig:
    from resin_toolkit.ssh.lazy_paramiko import load_config

    config = load_config(needs_exec=bool(re.search(r"(?im)^\s*match\b.*\bexec\b", text)))
    try:
        found = config.SSHConfig.from_file(io.StringIO(text)).lookup(alias)
        return _as_host(alias, found)
    except (config.ConfigParseError, config.CouldNotCanonicalize, ValueError, KeyError) as error:
        raise ConfigInvalid(
            f"{ssh_folder() / 'config'} is invalid: {error}.", hint="Correct that line."
        ) from error


def _as_host(alias: str, found: SSHConfigDict) -> HostConfig:
    jumps = found.get("proxyjump") or ""
    return HostConfig(
        alias,
        found["hostname"],
        user=found.get("user"),
        port=found.as_int("port") if "port" in found else None,
        identity_files=tuple(Path(os.path.expanduser(name)) for name in found.get("identityfile", ())),  # noqa: PTH111
        rekey_bytes=_bytes(found.get("rekeylimit", "")),
        identities_only=found.get("identitiesonly", "no").lower() == "yes",
        jumps=()
        if jumps.lower() == "none"
        else tuple(word.strip() for word in jumps.split(",") if word.strip()),
    )


def _bytes(limit: str) -> int | None:
    """Parse RekeyLimit: `1G`, optionally followed by a time; None for `default`."""
    match = re.match(r"(\d+)([KMG]?)\b", limit, re.IGNORECASE)
    return (
        int(match[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[match[2].lower()] if match else None
    )
