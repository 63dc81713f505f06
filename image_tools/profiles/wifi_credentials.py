"""SSIDs, passphrases and keys of Wi-Fi networks (IEEE 802.11)."""

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
    """Encode an SSID given as text. Raises BadValue unless it has 1 to 32 bytes."""
    try:
        ssid = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadValue("The SSID is not valid Unicode.", hint="Use UTF-8.") from None
    check_ssid(ssid)
    return ssid


def check_ssid(ssid: bytes) -> None:
    """Raise BadValue unless `ssid` has 1 to 32 bytes (IEEE 802.11-2020, 9.4.2.2)."""
    if not ssid:
        raise BadValue("The SSID is empty.", hint="Give the SSID, also for a hidden network.")
    if len(ssid) > MAX_SSID:
        raise BadValue(
            f'The SSID "{ssid_text(ssid)}" is too long ({len(ssid)} bytes).',
            hint=f"An SSID has at most {MAX_SSID} bytes; a non-ASCII character takes 2 to 4.",
            length=len(ssid),
        )


def ssid_text(ssid: bytes) -> str:
    r"""Return `ssid` for display: decoded as UTF-8, with other bytes and control characters as `\xNN`."""
    text = ssid.decode("utf-8", "backslashreplace")
    return "".join(f"\\x{ord(c):02x}" if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 else c for c in text)


def check_passphrase(passphrase: str) -> None:
    """Raise BadValue unless it is 8 to 63 printable ASCII characters, or 64 hex digits (WPA-PSK).

    The error does not contain it.
    """
    if _HEX_KEY.fullmatch(passphrase):
        return
    if not _PRINTABLE.fullmatch(passphrase):
        ends_with_newline = passphrase.endswith(("\n", "\r"))
        raise BadValue(
            "The Wi-Fi passphrase ends with a line break."
            if ends_with_newline
            else "The Wi-Fi passphrase contains characters that are not printable ASCII.",
            hint=f"WPA requires {MIN_PASSPHRASE} to {MAX_PASSPHRASE} printable ASCII characters.",
        )
    if not MIN_PASSPHRASE <= len(passphrase) <= MAX_PASSPHRASE:
        size = "short" if len(passphrase) < MIN_PASSPHRASE else "long"
        raise BadValue(
            f"The Wi-Fi passphrase is too {size}.",
            hint=f"WPA requires {MIN_PASSPHRASE} to {MAX_PASSPHRASE} characters, or a key of 64 hex digits.",
        )


def check_sae_passphrase(passphrase: str) -> None:
    """Raise BadValue unless it is a valid SAE passphrase: text of 1 to 128 bytes, and not a derived key.

    IEEE 802.11-2020, 12.4.3 sets no minimum length and allows any Unicode text. The error does not contain
    the passphrase.
    """
    if _HEX_KEY.fullmatch(passphrase):
        raise BadValue(
            "64 hex digits are a derived WPA-PSK key, but SAE requires the passphrase.",
            hint="Use the passphrase, or security wpa-psk.",
        )
    if passphrase and not is_readable(passphrase):
        raise BadValue(
            "The Wi-Fi passphrase contains control characters or invalid UTF-8.",
            hint="Use one line of UTF-8 text.",
        )
    if not 1 <= len(passphrase.encode()) <= MAX_SAE_PASSPHRASE:
        raise BadValue(
            f"The Wi-Fi passphrase is {'too long' if passphrase else 'empty'}.",
            hint=f"SAE requires 1 to {MAX_SAE_PASSPHRASE} bytes; a non-ASCII character takes 2 to 4.",
        )


def pre_shared_key(passphrase: str, ssid: bytes) -> str:
    """Derive the WPA-PSK key of 64 hex digits from passphrase and SSID (IEEE 802.11-2020, J.4).

    Returns a passphrase of 64 hex digits as it is. Raises BadValue like `check_passphrase` and `check_ssid`.
    """
    check_ssid(ssid)
    check_passphrase(passphrase)
    if len(passphrase) == 64:
        return passphrase.lower()
    from hashlib import pbkdf2_hmac

    return pbkdf2_hmac("sha1", passphrase.encode("ascii"), ssid, 4096, 32).hex()
