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
_KEY_TYPE = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)?", re.ASCII)


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
    if not re.fullmatch(r"[A-Z]{2}", text):
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
        if not re.fullmatch(r"[A-Za-z0-9._:%-]+", word, re.ASCII):
            raise BadValue(
                f'"{word}" is not a host name or address.',
                hint='Give the servers with spaces between them: "0.pool.ntp.org 1.pool.ntp.org".',
                value=word,
            )


def web_address(text: str) -> None:
    """An http or https URL with a host."""
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", text, re.IGNORECASE):
        raise BadValue(
            f"{_without_login(text)!r} is not a web address.",
            hint="It begins with http:// or https:// and has no spaces.",
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


def public_key(text: str) -> None:
    """An OpenSSH public key: TYPE BASE64 [COMMENT], as in authorized_keys (sshd(8)). Never shows the text."""
    from binascii import a2b_base64

    if "PRIVATE KEY" in text:
        raise BadValue("This is a private SSH key.", hint="Give the public one: the file that ends in .pub.")
    if "\n" in text.strip() or "\r" in text.strip():
        raise BadValue("An SSH key spans more than one line.", hint="Give each key as an entry of its own.")
    words = text.split()
    at = next((index for index, word in enumerate(words) if _KEY_TYPE.fullmatch(word)), len(words))
    if at + 1 >= len(words):
        raise BadValue(
            "An SSH key is not an OpenSSH public key.",
            hint="It is one line such as `ssh-ed25519 AAAA… name`; `ssh-keygen -y -f KEY` prints it.",
        )
    try:
        blob = a2b_base64(words[at + 1], strict_mode=True)
    except ValueError:
        blob = b""
    kind = words[at].encode()
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind) or len(blob) < len(kind) + 16:
        raise BadValue(
            f"An SSH key ({words[at]}) is cut short or damaged.", hint="Copy the whole line of the .pub file."
        )


def certificate(text: str) -> None:
    """A PEM certificate (RFC 7468) in base64 once more, on one line."""
    from binascii import a2b_base64

    once_more = "Encode the PEM file: `base64 -w0 ca.pem`."
    if "-----BEGIN" in text:
        raise BadValue("The certificate is PEM that is not base64 encoded.", hint=once_more)
    try:
        pem = a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise BadValue("The certificate is not base64.", hint=once_more) from None
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise BadValue("The certificate holds no PEM certificate.", hint=once_more)


def _words(text: str) -> list[str]:
    words = text.split()
    if not words:
        raise BadValue("The list is empty.", hint="Name at least one server, or unset the key.")
    return words


def _without_login(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)
