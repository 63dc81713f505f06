"""Summarize profiles for display, and recognize sample profiles."""

from __future__ import annotations

import re

from image_tools.profiles.keyfile import Keyfile, read_keyfile
from image_tools.profiles.wifi_credentials import ssid_text
from resin_toolkit.errors import ConfigInvalid

HIDDEN = "********"
_SAMPLES = ("resin-sample", "balena-sample")
_SAMPLE_SSID = b"My_Wifi_Ssid"
_UNUSED_SUFFIX = ".ignore"

_LOGIN_IN_URL = re.compile(r"(?<=://)[^/?#\s]*@")
_SECRET_KEY = re.compile(r"pass|psk|wep-key|^pin$|preshared|secret|\bcak\b|mka-cak|^private-key$", re.ASCII)


def is_sample(name: str, data: bytes) -> bool:
    """Whether this is an active sample profile, which does not name a real network.

    A file with the name of a sample is not one if it names a real network.
    """
    if name.lower().endswith(_UNUSED_SUFFIX):
        return False
    try:
        ssid = read_keyfile(data).ssid
    except ConfigInvalid:
        return _SAMPLE_SSID in data
    return ssid == _SAMPLE_SSID or (ssid is None and name.lower() in _SAMPLES)


def summary(keyfile: Keyfile) -> dict[str, object]:
    """Return a profile as a JSON object, with secrets hidden."""
    settings = {
        section: {key: _hide_secret(section, key, value) for key, value in keys.items()}
        for section, keys in keyfile.sections.items()
    }
    result: dict[str, object] = {"id": keyfile.id, "uuid": keyfile.uuid, "type": keyfile.type}
    if keyfile.type == "wifi":
        result["ssid"] = None if keyfile.ssid is None else ssid_text(keyfile.ssid)
        result["hidden"] = keyfile.text("wifi", "hidden") in ("true", "1")
        result["security"] = keyfile.text("wifi-security", "key-mgmt") or "open"
    return {**result, "settings": settings}


def _hide_secret(section: str, key: str, value: str) -> str:
    is_path = value.startswith(("/", "file://"))
    is_secret = (section == "vpn-secrets" or _SECRET_KEY.search(key)) and not key.endswith("-flags")
    if is_secret and not (is_path and key == "private-key"):
        return HIDDEN
    return _LOGIN_IN_URL.sub(f"{HIDDEN}@", value)
