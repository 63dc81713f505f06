"""Checks of single values: host names, country codes, addresses, public keys.

Each check takes the text and returns nothing, or raises BadValue with a sentence and a hint. What a value
must look like is a property of the device; who typed it, and where, is the caller's business.
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
    """One label of a host name: RFC 1123 section 2.1, at most 63 characters."""
    if _LABEL.fullmatch(text):
        return
    repaired = repaired_hostname(text)
    advice = f' Try "{repaired}".' if repaired else ""
    raise BadValue(
        f'"{text}" is not a host name.',
        hint=f"It is 1 to {MAX_LABEL} letters, digits and hyphens, with no hyphen at the ends.{advice}",
        value=text,
    )


def repaired_hostname(text: str) -> str:
    """The valid host name nearest to `text`; empty if nothing of it can be used."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text.strip()).encode("ascii", "ignore").decode()
    if plain.lower().endswith(".local"):
        plain = plain[: -len(".local")]
    return re.sub(r"[^A-Za-z0-9]+", "-", plain.replace("'", "")).strip("-")[:MAX_LABEL].strip("-")


def country(text: str) -> None:
    """A country of the Wi-Fi regulatory database: two letters, ISO 3166-1 alpha-2."""
    if not re.fullmatch(r"[A-Z]{2}", text) or text == "UK":
        raise BadValue(
            f'"{text}" is not a country code.',
            hint="A country is two letters of ISO 3166-1: DE, FR, US; the United Kingdom is GB.",
            value=text,
        )


def name_servers(text: str) -> None:
    """What dnsmasq takes as its upstreams: addresses, each with an optional #PORT; or the word null."""
    if text == "null":
        return
    from ipaddress import ip_address

    for word in _words(text):
        address, _, port = word.partition("#")
        try:
            ip_address(address.partition("@")[0])
        except ValueError:
            raise BadValue(
                f'"{word}" is not the address of a DNS server.',
                hint='Give IP addresses with spaces between them, or "null" for none.',
                value=word,
            ) from None
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise BadValue(f'"{word}" has a bad port.', hint="A port is 1 to 65535.", value=word)


def time_servers(text: str) -> None:
    """Host names or addresses of NTP servers."""
    for word in _words(text):
        if not _is_host(word):
            raise BadValue(
                f'"{word}" is not a host name or address.',
                hint='Give the servers with spaces between them: "0.pool.ntp.org 1.pool.ntp.org".',
                value=word,
            )


def web_address(text: str) -> None:
    """An http or https URL with a host. A login in it is never shown."""
    match = re.fullmatch(_URL, text, re.IGNORECASE)
    if not match or not text.isprintable():
        raise BadValue(
            f"{_without_login(text)!r} is not a web address.",
            hint="It begins with http:// or https://, then comes a host, and it has no spaces.",
        )
    if match[1] is not None and not 0 < int(match[1]) < 65536:
        raise BadValue(f"{_without_login(text)!r} has a bad port.", hint="A port is 1 to 65535.")


def one_line(text: str) -> None:
    """Text without line breaks and other control characters."""
    if any(character < " " or character == "\x7f" for character in text):
        raise BadValue("The text has control characters.", hint="Give one line of plain text.")


def drives(text: str) -> None:
    """Names of drives on the device: `nvme0n1 sda`, or with /dev/ before them."""
    for word in _words(text):
        if not re.fullmatch(_DRIVE, word, re.ASCII):
            raise BadValue(
                f'"{word}" is not the name of a drive.',
                hint='Give the names with spaces between them: "nvme0n1 sda".',
                value=word,
            )


def volume(text: str) -> None:
    """The name of an engine's volume."""
    if not re.fullmatch(_VOLUME, text, re.ASCII):
        raise BadValue(
            f'"{text}" is not the name of a volume.',
            hint="It has letters, digits, and `_`, `.`, `-` after the first.",
            value=text,
        )


def file_stem(text: str) -> None:
    """What can stand before the ending of a file's name."""
    if not text or "/" in text or text.startswith(".") or not text.isprintable():
        raise BadValue(
            f'"{text}" cannot be a file name.',
            hint="Give a name such as 10-modem, without a folder.",
            value=text,
        )


def seconds(text: str) -> None:
    """A whole number of seconds."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadValue(
            f'"{text}" is not a number of seconds.', hint="Give digits only; 0 is off.", value=text
        )


def one_of(*words: str) -> Callable[[str], None]:
    """A check for one word of a closed list."""

    def check(text: str) -> None:
        if text not in words:
            raise BadValue(f'"{text}" is none of: {", ".join(words)}.', hint=f"Use {' or '.join(words)}.")

    return check


def certificate(text: str) -> None:
    """PEM certificates (RFC 7468) in base64 once more, on one line. Never shows the text."""
    from binascii import a2b_base64

    once_more = "Encode the PEM file: `base64 -w0 ca.pem`."
    if "PRIVATE KEY" in text:
        raise _private_for_certificate()
    if "-----BEGIN" in text:
        raise BadValue("The certificate is PEM that is not base64 encoded.", hint=once_more)
    try:
        pem = a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise BadValue("The certificate is not base64.", hint=once_more) from None
    if b"PRIVATE KEY-----" in pem:
        raise _private_for_certificate()
    found = re.findall(_PEM, pem)
    if not found:
        raise BadValue("The certificate holds no PEM certificate.", hint=once_more)
    for body in found:
        try:
            der = a2b_base64(b"".join(body.split()), strict_mode=True)
        except ValueError:
            der = b""
        if not _is_der_sequence(der):
            raise BadValue("The certificate is cut short or damaged.", hint=once_more)


def _private_for_certificate() -> BadValue:
    return BadValue(
        "The certificate comes with a private key.", hint="Give the certificate alone; the key is a secret."
    )


def _is_der_sequence(der: bytes) -> bool:
    """Whether the bytes are one SEQUENCE (X.690, 8.1.3) and nothing else, as a certificate is."""
    if len(der) < 4 or der[0] != 0x30:
        return False
    if der[1] < 0x80:
        return len(der) == 2 + der[1]
    size = der[1] & 0x7F
    return size <= 4 and len(der) == 2 + size + int.from_bytes(der[2 : 2 + size], "big")


def _is_host(word: str) -> bool:
    """Whether it is an IP address or a host name (RFC 1123): labels with dots between."""
    if ":" in word or re.fullmatch(r"[0-9.]+", word):
        from ipaddress import ip_address

        try:
            ip_address(word)
        except ValueError:
            return False
        return True
    labels = word.removesuffix(".").split(".")
    return len(word) <= 253 and all(_LABEL.fullmatch(label.replace("_", "-")) for label in labels)


def _words(text: str) -> list[str]:
    words = text.split()
    if not words:
        raise BadValue("The list is empty.", hint="Name at least one server, or unset the key.")
    return words


def _without_login(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)
