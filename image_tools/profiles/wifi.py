"""What a Wi-Fi network is told by: its SSID and its secret (IEEE 802.11)."""

from __future__ import annotations

import re

from image_tools.profiles.identity import is_readable
from resin_toolkit.errors import BadValue

MAX_SSID = 32
MIN_PASSPHRASE, MAX_PASSPHRASE = 8, 63
MAX_SAE_PASSPHRASE = 128
_HEX_KEY = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_PRINTABLE = re.compile(r"[ -~]*", re.ASCII)


def ssid_of(text: str) -> bytes:
    """The bytes of a network's name that was typed as text. Raises BadValue unless there are 1 to 32."""
    try:
        ssid = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadValue("The SSID is not valid Unicode.", hint="Type it in UTF-8.") from None
    check_ssid(ssid)
    return ssid


def check_ssid(ssid: bytes) -> None:
    """Raise BadValue unless `ssid` has 1 to 32 bytes (IEEE 802.11-2020, 9.4.2.2)."""
    if not ssid:
        raise BadValue("The SSID is empty.", hint="Give the network's name; for a hidden one, too.")
    if len(ssid) > MAX_SSID:
        raise BadValue(
            f'The SSID "{ssid_text(ssid)}" has {len(ssid)} bytes.',
            hint=f"No network's name has more than {MAX_SSID} (a letter outside ASCII takes 2 to 4).",
            length=len(ssid),
        )


def ssid_text(ssid: bytes) -> str:
    r"""`ssid` for people: UTF-8 where it is that; other bytes and control characters as `\xNN`."""
    text = ssid.decode("utf-8", "backslashreplace")
    return "".join(f"\\x{ord(c):02x}" if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 else c for c in text)


def check_passphrase(passphrase: str) -> None:
    """Raise BadValue unless it is 8 to 63 printable ASCII characters, or 64 hex digits (WPA-PSK).

    Neither the message nor the facts hold any of it.
    """
    if _HEX_KEY.fullmatch(passphrase):
        return
    if not _PRINTABLE.fullmatch(passphrase):
        ends = passphrase.endswith(("\n", "\r"))
        raise BadValue(
            "The Wi-Fi passphrase ends with a line break."
            if ends
            else "The Wi-Fi passphrase has characters other than letters, digits and signs of ASCII.",
            hint=f"WPA takes {MIN_PASSPHRASE} to {MAX_PASSPHRASE} printable ASCII characters.",
        )
    if not MIN_PASSPHRASE <= len(passphrase) <= MAX_PASSPHRASE:
        size = "short" if len(passphrase) < MIN_PASSPHRASE else "long"
        raise BadValue(
            f"The Wi-Fi passphrase is too {size}.",
            hint=f"WPA takes {MIN_PASSPHRASE} to {MAX_PASSPHRASE} characters, or a key of 64 hex digits.",
        )


def check_sae_passphrase(passphrase: str) -> None:
    """Raise BadValue unless it can be a passphrase of SAE: text of 1 to 128 bytes, and no derived key.

    IEEE 802.11-2020, 12.4.3 sets no least length and takes any Unicode. Neither the message nor the facts
    hold any of it.
    """
    if _HEX_KEY.fullmatch(passphrase):
        raise BadValue(
            "64 hex digits are a derived key of WPA-PSK, and SAE has none.",
            hint="Give the passphrase itself.",
        )
    if passphrase and not is_readable(passphrase):
        raise BadValue(
            "The Wi-Fi passphrase has control characters or bytes that are no text.",
            hint="Type it in UTF-8, on one line.",
        )
    if not 1 <= len(passphrase.encode()) <= MAX_SAE_PASSPHRASE:
        raise BadValue(
            f"The Wi-Fi passphrase is {'too long' if passphrase else 'empty'}.",
            hint=f"SAE takes 1 to {MAX_SAE_PASSPHRASE} bytes (a letter outside ASCII takes 2 to 4).",
        )


def pre_shared_key(passphrase: str, ssid: bytes) -> str:
    """The 64 hex digits that WPA-PSK makes of passphrase and SSID (IEEE 802.11-2020, J.4).

    64 hex digits are the key already. Raises BadValue as `check_passphrase` and `check_ssid` do.
    """
    check_ssid(ssid)
    check_passphrase(passphrase)
    if len(passphrase) == 64:
        return passphrase.lower()
    from hashlib import pbkdf2_hmac

    return pbkdf2_hmac("sha1", passphrase.encode("ascii"), ssid, 4096, 32).hex()
