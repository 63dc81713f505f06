"""OpenSSH public keys: checking them, reading files of them, adding them to `os.sshKeys`."""

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
"""The types of a public key, and how many fields its blob has (RFC 4253, 5656, 8709; PROTOCOL.u2f)."""

MIN_RSA_BITS = 1024
"""OpenSSH refuses shorter ones."""

_ED25519_BYTES = 32
_NOT_ONE = "It is one line such as `ssh-ed25519 AAAA… name`; `ssh-keygen -y -f KEY` prints it."
_WHOLE = "Copy the whole line of the .pub file."


def public_key(text: str) -> None:
    """Check one key: [OPTIONS] TYPE BASE64 [COMMENT], as in authorized_keys (sshd(8)).

    Raises BadValue, which never shows any of the text.
    """
    _identity(text)


def public_keys(data: bytes, name: str) -> list[str]:
    """The keys in a `.pub` or authorized_keys file, a line each, without comments and without repeats.

    `name` is the file's, for the errors. Raises BadValue: for a private key, for a line that is no public
    key, for a file without a key. No error shows what is in the file.
    """
    text = _decoded(data, name)
    if _is_private(text):
        hint = f"Give the public one: {name}.pub." if not name.endswith(".pub") else "Give the public one."
        raise BadValue(f"{name} is a private SSH key.", hint=hint, file=name)
    if "BEGIN SSH2 PUBLIC KEY" in text:
        raise BadValue(
            f"{name} is in the format of another SSH program.", hint=f"Convert it: `ssh-keygen -i -f {name}`."
        )
    found: dict[tuple[bytes, bytes], str] = {}
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            found.setdefault(_identity(line), line)
        except BadValue as error:
            raise BadValue(
                f"{name}, line {number}: {error.message}", hint=error.hint, file=name, line=number
            ) from None
    if not found:
        raise BadValue(f"{name} holds no SSH key.", hint=_NOT_ONE, file=name)
    return list(found.values())


def add_ssh_keys(config: Config, keys: Iterable[str]) -> tuple[Config, list[Notice]]:
    """`config` with `keys` at the end of `os.sshKeys`; one that is there, whatever its comment, is a notice.

    Raises BadValue for what is no key, and ConfigInvalid where `os.sshKeys` is no list of texts.
    """
    existing = _existing(config)
    known = set(_identities(existing))
    added, notices = [], []
    for key in keys:
        identity = _identity(key)
        if identity in known:
            notices.append(
                Notice("config-ssh-key-there", f"The SSH key {_label(key)} is in os.sshKeys already.")
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
        raise ConfigInvalid("config.json: os is no object.", hint="Remove it first: --unset os.", key="os")
    keys = os_keys.get("sshKeys")
    if keys is None:
        return []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ConfigInvalid(
            "config.json: os.sshKeys must be a list of texts.",
            hint="Remove it first: --unset os.sshKeys.",
            key="os.sshKeys",
        )
    return keys


def _identities(keys: Iterable[str]) -> Iterator[tuple[bytes, bytes]]:
    for key in keys:
        try:
            yield _identity(key)
        except BadValue:
            continue  # what is there already is for `check` to tell of


def _identity(text: str) -> tuple[bytes, bytes]:
    """Options and blob of a key, checked."""
    from binascii import a2b_base64

    if _is_private(text):
        raise BadValue("This is a private SSH key.", hint="Give the public one: the file that ends in .pub.")
    text = text.strip()
    if any(character < " " and character != "\t" for character in text):
        raise BadValue("An SSH key spans more than one line.", hint="Give each key as an entry of its own.")
    options, words = _split(text)
    if len(words) < 2:
        raise BadValue("An SSH key is not an OpenSSH public key.", hint=_NOT_ONE)
    kind = words[0].encode("utf-8", "replace")
    if kind not in _FIELDS:
        raise BadValue("An SSH key is not an OpenSSH public key.", hint=_NOT_ONE)
    try:
        blob = a2b_base64(words[1], strict_mode=True)
    except ValueError:
        blob = b""
    if not _is_sound(kind, blob):
        raise BadValue(f"An SSH key ({words[0]}) is cut short or damaged.", hint=_WHOLE)
    return options.encode("utf-8", "replace"), blob


def _split(text: str) -> tuple[str, list[str]]:
    """Options, and the words that follow them."""
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
    """Type, blob and comment. Only blanks and tabs separate them: a no-break space does not, to OpenSSH."""
    return re.split(r"[ \t]+", text.strip(" \t"), maxsplit=2)


def _is_sound(kind: bytes, blob: bytes) -> bool:
    """Whether the blob says the same type as the line, and all of its fields are there."""
    fields = _fields(blob)
    if len(fields) != _FIELDS[kind] or fields[0] != kind or not all(fields):
        return False
    if kind == b"ssh-ed25519":
        return len(fields[1]) == _ED25519_BYTES
    if kind == b"ssh-rsa":
        return int.from_bytes(fields[2], "big").bit_length() >= MIN_RSA_BITS
    return True


def _fields(blob: bytes) -> list[bytes]:
    """The fields of a blob, each behind its length in 4 bytes; none where they do not end with it."""
    fields = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            return []
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields


def _decoded(data: bytes, name: str) -> str:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise BadValue(f"{name} is no text, so no OpenSSH public key.", hint=_NOT_ONE, file=name) from None


def _is_private(text: str) -> bool:
    return "PRIVATE KEY" in text or text.lstrip().startswith("PuTTY-User-Key-File")


def _label(key: str) -> str:
    """How a person knows a key: its comment, else its type."""
    _, words = _split(key.strip())
    return words[2].strip() if len(words) > 2 else words[0]
