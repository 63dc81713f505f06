"""Check OpenSSH public keys, parse files of them, and add them to `os.sshKeys`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from image_tools.config.text import Config
from resin_toolkit.errors import BadValue, ConfigInvalid, Notice

_FIELDS = {
    b"ssh-ed25519": 2,
    b"ssh-rsa": 3,
    b"ssh-dss": 5,
    b"ecdsa-sha2-nistp256": 3,
    b"ecdsa-sha2-nistp384": 3,
    b"ecdsa-sha2-nistp521": 3,
    b"sk-ssh-ed25519@openssh.com": 3,
    b"sk-ecdsa-sha2-nistp256@openssh.com": 4,
}
"""Key types, with the number of fields of their blobs (RFC 4253, 5656, 8709; PROTOCOL.u2f)."""

MIN_RSA_BITS = 1024
"""OpenSSH rejects shorter RSA keys."""

_ED25519_BYTES = 32
_FORMAT_HINT = "A public key is one line, such as `ssh-ed25519 AAAA… name`; `ssh-keygen -y -f KEY` prints it."
_COPY_HINT = "Copy the whole line from the .pub file."


def public_key(text: str) -> None:
    """Check one key: [OPTIONS] TYPE BASE64 [COMMENT], as in authorized_keys (sshd(8)).

    Raises BadValue, which never quotes the text.
    """
    _identity(text)


def public_keys(data: bytes, name: str) -> list[str]:
    """Parse a `.pub` or authorized_keys file, and return its lines without comments and duplicates.

    `name` names the file in errors. Raises BadValue for a private key, a line that is not a public key, and a
    file without keys. No error quotes the file.
    """
    text = _decode(data, name)
    if _is_private(text):
        hint = f"Use the public key: {name}.pub." if not name.endswith(".pub") else "Use the public key."
        raise BadValue(f"{name} is a private SSH key.", hint=hint, file=name)
    if "BEGIN SSH2 PUBLIC KEY" in text:
        raise BadValue(
            f"{name} is not in OpenSSH format.", hint=f"Convert it with `ssh-keygen -i -f {name}`."
        )
    lines: dict[tuple[bytes, bytes], str] = {}
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            lines.setdefault(_identity(line), line)
        except BadValue as error:
            raise BadValue(
                f"{name}, line {number}: {error.message}", hint=error.hint, file=name, line=number
            ) from None
    if not lines:
        raise BadValue(f"{name} contains no SSH key.", hint=_FORMAT_HINT, file=name)
    return list(lines.values())


def add_ssh_keys(config: Config, keys: Iterable[str]) -> tuple[Config, list[Notice]]:
    """Append `keys` to `os.sshKeys`, skipping those already present, with a notice; comments are ignored.

    Raises BadValue for an invalid key, and ConfigInvalid if `os.sshKeys` is not a list of strings.
    """
    existing = _existing(config)
    known = set(_identities(existing))
    added, notices = [], []
    for key in keys:
        identity = _identity(key)
        if identity in known:
            notices.append(
                Notice("config-ssh-key-there", f"The SSH key {_label(key)} is already in os.sshKeys.")
            )
            continue
        known.add(identity)
        added.append(key.strip())
    if not added:
        return config, notices
    os_keys = config.get("os") or {}
    assert isinstance(os_keys, dict)
    return {**config, "os": {**os_keys, "sshKeys": [*existing, *added]}}, notices


def _existing(config: Config) -> list[str]:
    os_keys = config.get("os")
    if os_keys is None:
        return []
    if not isinstance(os_keys, dict):
        raise ConfigInvalid(
            "config.json: os must be an object.", hint="Remove it first with --unset os.", key="os"
        )
    keys = os_keys.get("sshKeys")
    if keys is None:
        return []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ConfigInvalid(
            "config.json: os.sshKeys must be a list of strings.",
            hint="Remove it first with --unset os.sshKeys.",
            key="os.sshKeys",
        )
    return keys


def _identities(keys: Iterable[str]) -> Iterator[tuple[bytes, bytes]]:
    for key in keys:
        try:
            yield _identity(key)
        except BadValue:
            continue  # `check` reports invalid existing keys


def _identity(text: str) -> tuple[bytes, bytes]:
    """Check a key, and return its options and blob."""
    from binascii import a2b_base64

    if _is_private(text):
        raise BadValue("This is a private SSH key.", hint="Use the public key (the .pub file).")
    text = text.strip()
    if any(character < " " and character != "\t" for character in text):
        raise BadValue("An SSH key must be a single line.", hint="Give each key as a separate entry.")
    options, words = _split(text)
    if len(words) < 2:
        raise BadValue("This is not an OpenSSH public key.", hint=_FORMAT_HINT)
    key_type = words[0].encode("utf-8", "replace")
    if key_type not in _FIELDS:
        raise BadValue("This is not an OpenSSH public key.", hint=_FORMAT_HINT)
    try:
        blob = a2b_base64(words[1], strict_mode=True)
    except ValueError:
        blob = b""
    if not _is_valid_blob(key_type, blob):
        raise BadValue(f"The SSH key ({words[0]}) is incomplete or damaged.", hint=_COPY_HINT)
    return options.encode("utf-8", "replace"), blob


def _split(text: str) -> tuple[str, list[str]]:
    """Split a line into the options and the remaining fields."""
    words = _words(text)
    if words[0].encode("utf-8", "replace") in _FIELDS:
        return "", words
    quoted = False
    for position, character in enumerate(text):
        if character == '"' and text[position - 1 : position] != "\\":
            quoted = not quoted
        elif character in " \t" and not quoted:
            return text[:position], _words(text[position:])
    return text, []


def _words(text: str) -> list[str]:
    """Split into type, blob and comment at spaces and tabs, but not no-break spaces, like OpenSSH."""
    return re.split(r"[ \t]+", text.strip(" \t"), maxsplit=2)


def _is_valid_blob(key_type: bytes, blob: bytes) -> bool:
    """Whether the blob has the same type as the line, and all its fields."""
    fields = _fields(blob)
    if len(fields) != _FIELDS[key_type] or fields[0] != key_type or not all(fields):
        return False
    if key_type == b"ssh-ed25519":
        return len(fields[1]) == _ED25519_BYTES
    if key_type == b"ssh-rsa":
        return int.from_bytes(fields[2], "big").bit_length() >= MIN_RSA_BITS
    return True


def _fields(blob: bytes) -> list[bytes]:
    """Return the length-prefixed (4 bytes) fields of a blob, or none if the last is incomplete."""
    fields = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            return []
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields


def _decode(data: bytes, name: str) -> str:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise BadValue(f"{name} is not an OpenSSH public key.", hint=_FORMAT_HINT, file=name) from None


def _is_private(text: str) -> bool:
    return "PRIVATE KEY" in text or text.lstrip().startswith("PuTTY-User-Key-File")


def _label(key: str) -> str:
    """Return the comment of a key, else its type."""
    _, words = _split(key.strip())
    return words[2].strip() if len(words) > 2 else words[0]
