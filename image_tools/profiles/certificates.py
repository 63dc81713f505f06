"""Certificates and private keys of a profile: PEM (RFC 7468) or DER (X.690) files in the same directory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from resin_toolkit.errors import BadValue

DEVICE_FOLDER = "/mnt/boot/system-connections"
"""The path of `system-connections/` of the boot partition on the device."""

_LARGEST = 256 << 10
_BOM = b"\xef\xbb\xbf"
_PEM = re.compile(rb"^-----BEGIN ([A-Z0-9 ]{1,40})-----[ \t]*\r?$(.*?)^-----END \1-----", re.M | re.S)
_KEY_LABELS = {
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "DSA PRIVATE KEY",
    "TSS2 PRIVATE KEY",
}
_CERTIFICATE_LABELS = {"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"}
_SEQUENCE, _INTEGER, _OCTETS, _OBJECT_ID, _VERSION = 0x30, 0x02, 0x04, 0x06, 0xA0


class AttachmentType(Enum):
    """The content of a file of certificates or keys."""

    CERTIFICATE = "a certificate"
    KEY = "a private key"
    BUNDLE = "certificate and key together (PKCS #12)"
    OTHER = "neither"


@dataclass(frozen=True)
class Attachment:
    """A certificate or key; `name` is the original file name, for messages.

    Raises BadValue for any other content, without quoting it.
    """

    name: str
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", self.data.removeprefix(_BOM))
        if len(self.data) > _LARGEST:
            raise BadValue(
                f"{self.name} is too large to be a certificate or a key.",
                hint="Use a file with one certificate or key.",
            )
        if self.content is AttachmentType.OTHER:
            raise BadValue(
                f"{self.name} is not a certificate or private key{self._reason()}.", hint=_FORMAT_HINT
            )

    @property
    def is_pem(self) -> bool:
        """Whether it is PEM (text), not DER."""
        return _PEM.search(self.data) is not None

    @property
    def content(self) -> AttachmentType:
        """The type of the content; a file that contains a private key and more is a key."""
        blocks = _blocks(self.data)
        if not blocks:
            return _der_content(self.data)
        labels = {label for label, _ in blocks}
        if labels & _KEY_LABELS:
            return AttachmentType.KEY
        is_certificate = any(
            label == "TRUSTED CERTIFICATE" or _der_content(_decode(body)) is AttachmentType.CERTIFICATE
            for label, body in blocks
            if label in _CERTIFICATE_LABELS
        )
        return AttachmentType.CERTIFICATE if is_certificate else AttachmentType.OTHER

    @property
    def suffix(self) -> str:
        """The suffix of the file, which NetworkManager does not take for a profile."""
        return ".pem" if self.is_pem else ".der"

    def _reason(self) -> str:
        labels = [label for label, _ in _blocks(self.data)]
        if labels and labels[0] not in _CERTIFICATE_LABELS:
            return f", but a PEM file with the label {labels[0]}"
        return ", because it is empty" if not self.data else ""


_FORMAT_HINT = "Use a PEM or DER file; `openssl x509` and `openssl pkey` convert other formats."


def _blocks(data: bytes) -> list[tuple[str, bytes]]:
    return [(match[1].decode("ascii"), match[2]) for match in _PEM.finditer(data)]


def _decode(body: bytes) -> bytes:
    import base64

    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except ValueError:
        return b""


def _der_content(data: bytes) -> AttachmentType:
    """Return the type by the first tags: RFC 5280 (certificate), 5958, 8017 and 5915 (keys), 7292 (PFX)."""
    outer = _elements(data)
    parts = _elements(outer[0][1]) if outer and outer[0][0] == _SEQUENCE else []
    if not parts:
        return AttachmentType.OTHER
    tag, first = parts[0]
    if tag == _INTEGER:
        types = {b"\0": AttachmentType.KEY, b"\1": AttachmentType.KEY, b"\3": AttachmentType.BUNDLE}
        return types.get(first, AttachmentType.OTHER)
    elements = _elements(first) if tag == _SEQUENCE else []
    if _is_tbs_certificate(elements):
        return AttachmentType.CERTIFICATE
    is_encrypted = [tag for tag, _ in elements[:1]] == [_OBJECT_ID] and [t for t, _ in parts[1:]] == [_OCTETS]
    return AttachmentType.KEY if is_encrypted else AttachmentType.OTHER


def _is_tbs_certificate(elements: list[tuple[int, bytes]]) -> bool:
    """Whether it is a TBSCertificate; version 1 begins with serial number and algorithm."""
    tags = [tag for tag, _ in elements[:2]]
    if tags == [_VERSION, _INTEGER]:
        return True
    return tags == [_INTEGER, _SEQUENCE] and [tag for tag, _ in _elements(elements[1][1])[:1]] == [_OBJECT_ID]


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Return tag and content of each DER element of `data`, or nothing if one is truncated."""
    found = []
    while data:
        length, start = data[1] if len(data) > 1 else 0, 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start])
        content = data[start : start + length]
        if len(content) < length or len(data) < start:
            return []
        found.append((data[0], content))
        data = data[start + length :]
    return found
