"""Checks of single config.json values: host names, country codes, addresses, certificates.

Each check raises BadValue if the device cannot use the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from resin_toolkit.errors import BadValue

MAX_LABEL = 63
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_URL = r"https?://(?:[^/?#@\s]*@)?(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::([0-9]{1,5}))?(?:[/?#][^\s]*)?"
_DRIVE = r"(?:/dev/)?[A-Za-z0-9][A-Za-z0-9/_.-]*"
_VOLUME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_PEM = rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----"


def hostname(text: str) -> None:
    """Check a single-label host name (RFC 1123 section 2.1), at most 63 characters."""
    if _LABEL.fullmatch(text):
        return
    suggestion = suggest_hostname(text)
    advice = f' Try "{suggestion}".' if suggestion else ""
    raise BadValue(
        f'"{text}" is not a valid host name.',
        hint=f"Use 1 to {MAX_LABEL} letters, digits and hyphens, without a hyphen at either end.{advice}",
        value=text,
    )


def suggest_hostname(text: str) -> str:
    """Return a valid host name similar to `text`, or an empty string if there is none."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text.strip()).encode("ascii", "ignore").decode()
    if plain.lower().endswith(".local"):
        plain = plain[: -len(".local")]
    return re.sub(r"[^A-Za-z0-9]+", "-", plain.replace("'", "")).strip("-")[:MAX_LABEL].strip("-")


def country(text: str) -> None:
    """Check a country of the Wi-Fi regulatory database: two letters, ISO 3166-1 alpha-2."""
    if not re.fullmatch(r"[A-Z]{2}", text) or text == "UK":
        raise BadValue(
            f'"{text}" is not a country code.',
            hint="Use a two-letter code of ISO 3166-1, such as DE, FR or US; the United Kingdom is GB.",
            value=text,
        )


def name_servers(text: str) -> None:
    """Check upstream servers for dnsmasq: addresses, each with an optional #PORT, or the word null."""
    if text == "null":
        return
    from ipaddress import ip_address

    for item in _split_items(text):
        address, _, port = item.partition("#")
        try:
            ip_address(address.partition("@")[0])
        except ValueError:
            raise BadValue(
                f'"{item}" is not the address of a DNS server.',
                hint='Give IP addresses separated by spaces, or "null" for none.',
                value=item,
            ) from None
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise BadValue(f'"{item}" has an invalid port.', hint="Use a port from 1 to 65535.", value=item)


def time_servers(text: str) -> None:
    """Check host names or addresses of NTP servers."""
    for item in _split_items(text):
        if not _is_host(item):
            raise BadValue(
                f'"{item}" is not a host name or address.',
                hint='Give servers separated by spaces: "0.pool.ntp.org 1.pool.ntp.org".',
                value=item,
            )


def web_address(text: str) -> None:
    """Check an http or https URL. Errors do not show credentials."""
    match = re.fullmatch(_URL, text, re.IGNORECASE)
    if not match or not text.isprintable():
        raise BadValue(
            f"{_without_login(text)!r} is not a valid URL.",
            hint="Use http://HOST or https://HOST, with an optional port and path and without spaces.",
        )
    if match[1] is not None and not 0 < int(match[1]) < 65536:
        raise BadValue(f"{_without_login(text)!r} has an invalid port.", hint="Use a port from 1 to 65535.")


def one_line(text: str) -> None:
    """Check that text has no line breaks or other control characters."""
    if any(character < " " or character == "\x7f" for character in text):
        raise BadValue("The text contains control characters.", hint="Use a single line of plain text.")


def drives(text: str) -> None:
    """Check names of drives on the device, such as `nvme0n1 sda`, with or without /dev/."""
    for item in _split_items(text):
        if not re.fullmatch(_DRIVE, item, re.ASCII):
            raise BadValue(
                f'"{item}" is not a valid drive name.',
                hint='Give names separated by spaces: "nvme0n1 sda".',
                value=item,
            )


def volume(text: str) -> None:
    """Check the name of an engine volume."""
    if not re.fullmatch(_VOLUME, text, re.ASCII):
        raise BadValue(
            f'"{text}" is not a valid volume name.',
            hint="Start with a letter or digit, then use letters, digits, `_`, `.` and `-`.",
            value=text,
        )


def file_stem(text: str) -> None:
    """Check a file name without its extension."""
    if not text or "/" in text or text.startswith(".") or not text.isprintable():
        raise BadValue(
            f'"{text}" is not a valid file name.',
            hint="Use a name such as 10-modem, without a directory.",
            value=text,
        )


def seconds(text: str) -> None:
    """Check a whole number of seconds."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadValue(
            f'"{text}" is not a number of seconds.', hint="Use only digits; 0 disables the check.", value=text
        )


def one_of(*words: str) -> Callable[[str], None]:
    """Return a check that accepts only `words`."""

    def check(text: str) -> None:
        if text not in words:
            raise BadValue(f'"{text}" must be one of: {", ".join(words)}.', hint=f"Use {' or '.join(words)}.")

    return check


def certificate(text: str) -> None:
    """Check base64-encoded PEM certificates (RFC 7468). Errors do not show them."""
    from binascii import a2b_base64

    encode_hint = "Encode the PEM file with `base64 -w0 ca.pem`."
    if "PRIVATE KEY" in text:
        raise _private_for_certificate()
    if "-----BEGIN" in text:
        raise BadValue("The PEM certificate is not base64-encoded.", hint=encode_hint)
    try:
        pem = a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise BadValue("The certificate is not valid base64.", hint=encode_hint) from None
    if b"PRIVATE KEY-----" in pem:
        raise _private_for_certificate()
    found = re.findall(_PEM, pem)
    if not found:
        raise BadValue("The value does not contain a PEM certificate.", hint=encode_hint)
    for body in found:
        try:
            der = a2b_base64(b"".join(body.split()), strict_mode=True)
        except ValueError:
            der = b""
        if not _is_der_sequence(der):
            raise BadValue("The certificate is incomplete or damaged.", hint=encode_hint)


def _private_for_certificate() -> BadValue:
    return BadValue(
        "The certificate file also contains a private key.",
        hint="Give only the certificate; the key is secret.",
    )


def _is_der_sequence(der: bytes) -> bool:
    """Whether the bytes are exactly one SEQUENCE (X.690, 8.1.3), as a certificate is."""
    if len(der) < 4 or der[0] != 0x30:
        return False
    if der[1] < 0x80:
        return len(der) == 2 + der[1]
    size = der[1] & 0x7F
    return size <= 4 and len(der) == 2 + size + int.from_bytes(der[2 : 2 + size], "big")


def _is_host(item: str) -> bool:
    """Whether it is an IP address or a host name of one or more labels (RFC 1123)."""
    if ":" in item or re.fullmatch(r"[0-9.]+", item):
        from ipaddress import ip_address

        try:
            ip_address(item)
        except ValueError:
            return False
        return True
    labels = item.removesuffix(".").split(".")
    return len(item) <= 253 and all(_LABEL.fullmatch(label.replace("_", "-")) for label in labels)


def _split_items(text: str) -> list[str]:
    words = text.split()
    if not words:
        raise BadValue("The list is empty.", hint="Give at least one value, or remove the key with --unset.")
    return words


def _without_login(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)
