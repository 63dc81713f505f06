"""Whether a boot partition holds secrets: in config.json, network profiles, keys and the proxy's settings."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from image_tools import config as config_file
from image_tools.configuration import CONFIG_PATH, PROXY_PATH, read_config
from image_tools.connection_files import CONNECTIONS, LARGEST_PROFILE, connection_files
from image_tools.fat import FatFileSystem
from image_tools.profiles.profile_summary import is_sample
from resin_toolkit.errors import ConfigInvalid, FileSystemDamaged

_KEY_SUFFIXES = frozenset({".key", ".p12", ".pfx", ".der"})
_SECRET = re.compile(
    rb"^\s*([\w-]*(password|secret|psk|wep-key|private-key)[\w-]*|pin)\s*=\s*\S|PRIVATE KEY",
    re.IGNORECASE | re.MULTILINE,
)


def may_hold_secret(path: str) -> bool:
    """Whether a file at this path of a boot partition is one that may hold a secret."""
    folded = path.casefold()
    return folded in (CONFIG_PATH, PROXY_PATH) or folded.startswith(f"{CONNECTIONS}/")


def has_secret(filesystem: FatFileSystem) -> bool:
    """Whether any of its files holds a secret. A file that cannot be understood counts as one that does."""
    try:
        config = read_config(filesystem)
        if config_file.hidden(config) != config or _proxy_has_secret(filesystem):
            return True
        return any(
            _is_secret(entry.name, filesystem.read(entry.path))
            for entry in connection_files(filesystem)
            if entry.size <= LARGEST_PROFILE
        )
    except (ConfigInvalid, FileSystemDamaged):
        return True


def _proxy_has_secret(filesystem: FatFileSystem) -> bool:
    entry = filesystem.find(PROXY_PATH)
    if entry is None or entry.is_directory or entry.size > LARGEST_PROFILE:
        return False
    return _SECRET.search(filesystem.read(entry.path)) is not None


def _is_secret(name: str, data: bytes) -> bool:
    if PurePosixPath(name).suffix.lower() in _KEY_SUFFIXES:
        return True
    return not is_sample(name, data) and _SECRET.search(data) is not None
