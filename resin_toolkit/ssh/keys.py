"""The keys that a user can log in with: those of the agent, and key files."""

from __future__ import annotations

import base64
import binascii
import io
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paramiko.agent import AgentKey, AgentSSH
from paramiko.ecdsakey import ECDSAKey
from paramiko.ed25519key import Ed25519Key
from paramiko.message import Message
from paramiko.rsakey import RSAKey
from paramiko.ssh_exception import PasswordRequiredException, SSHException

from resin_toolkit.ssh.config import DEFAULT_KEY_FILES, HostConfig, ssh_folder

_CLASSES: dict[str, Any] = {"ssh-ed25519": Ed25519Key, "ssh-rsa": RSAKey}
_PEM = {"RSA": "ssh-rsa", "EC": "ecdsa"}
_ATTEMPTS = 3
_AGENT_TIMEOUT = 60.0
"""Seconds for an agent to sign: it may prompt its user."""

Sign = Callable[[bytes, str], bytes]


@dataclass(frozen=True)
class CandidateKey:
    """A key to offer. `blob` is its public half; None if that is unknown before the key is unlocked."""

    name: str
    blob: bytes | None
    sign: Sign
    """Signs data with an algorithm. Raises SSHException or OSError on failure."""

    @property
    def type(self) -> str:
        return type_of(self.blob) if self.blob else ""


def type_of(blob: bytes) -> str:
    """The type at the start of a public key (RFC 4253, section 6.6), such as `ssh-ed25519`."""
    return Message(blob).get_text()


@contextmanager
def candidate_keys(config: HostConfig, ask: Callable[[str], str] | None) -> Iterator[list[CandidateKey]]:
    """All keys, those configured for this host first. `ask` prompts for a passphrase when a key must sign."""
    files = [key for path in _paths(config) if (key := _file_key(path, ask)) is not None]
    named = {key.blob for key in files if key.blob is not None}
    agent = Agent()
    try:
        held = [_agent_key(key) for key in agent.load()]
        first = [key for key in held if key.blob in named]
        others = [] if config.identities_only else [key for key in held if key.blob not in named]
        known = {key.blob for key in held}
        yield [*first, *others, *(key for key in files if key.blob is None or key.blob not in known)]
    finally:
        agent.close()


class Agent(AgentSSH):
    """The agent at SSH_AUTH_SOCK, with a timeout. paramiko's own would wait for a hung agent forever."""

    def __init__(self) -> None:
        super().__init__()
        self._socket: socket.socket | None = None

    def load(self) -> tuple[AgentKey, ...]:
        path = os.environ.get("SSH_AUTH_SOCK")
        if not path or not hasattr(socket, "AF_UNIX"):
            return ()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_AGENT_TIMEOUT)
        try:
            self._socket.connect(path)
            self._connect(self._socket)  # type: ignore[attr-defined]
        except (OSError, SSHException):
            return ()
        return self.get_keys()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


def _agent_key(key: AgentKey) -> CandidateKey:
    def sign(data: bytes, algorithm: str) -> bytes:
        signature: Any = key.sign_ssh_data(data, algorithm)
        return bytes(signature)

    return CandidateKey(f"{key.comment or key.name} of the agent", key.asbytes(), sign)


def _paths(config: HostConfig) -> tuple[Path, ...]:
    return config.identity_files or tuple(ssh_folder() / name for name in DEFAULT_KEY_FILES)


def _file_key(path: Path, ask: Callable[[str], str] | None) -> CandidateKey | None:
    """None if the file does not exist or is not a private key."""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    if "PRIVATE KEY" not in text:
        return None
    blob = _blob_inside(text) or _blob_beside(path)
    key_type = type_of(blob) if blob else _PEM.get(text.partition("-----BEGIN ")[2].partition(" ")[0], "")

    def sign(data: bytes, algorithm: str) -> bytes:
        return bytes(_unlocked(path, text, key_type, ask).sign_ssh_data(data, algorithm).asbytes())

    if blob is None:
        # The public half of an unencrypted PEM file can be derived. An encrypted one is skipped.
        try:
            blob = _unlocked(path, text, key_type, None).asbytes()
        except (SSHException, OSError):
            return None
    return CandidateKey(str(path), blob, sign)


def _unlocked(path: Path, text: str, key_type: str, ask: Callable[[str], str] | None) -> Any:
    load = _CLASSES.get(key_type, ECDSAKey).from_private_key
    try:
        return load(io.StringIO(text))
    except PasswordRequiredException:
        if ask is None:
            raise
    for _ in range(_ATTEMPTS):
        passphrase = ask(f"Passphrase for {path} (empty to skip this key)")
        if not passphrase:
            break
        try:
            return load(io.StringIO(text), password=passphrase)
        except SSHException:
            continue
    raise PasswordRequiredException(f"{path} was not unlocked")


def _blob_inside(text: str) -> bytes | None:
    """The public key, which OpenSSH's format holds unencrypted (PROTOCOL.key of OpenSSH)."""
    begin, end = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"
    inner = text.partition(begin)[2].partition(end)[0]
    try:
        content = base64.b64decode("".join(inner.split()), validate=True)
    except binascii.Error:
        return None
    magic = b"openssh-key-v1\0"
    if not content.startswith(magic):
        return None
    message = Message(content[len(magic) :])
    for _ in range(3):  # the cipher, the key derivation and its options
        message.get_string()
    return message.get_string() if message.get_int() == 1 else None


def _blob_beside(path: Path) -> bytes | None:
    try:
        words = path.with_name(path.name + ".pub").read_text(encoding="utf-8").split()
        return base64.b64decode(words[1], validate=True)
    except (OSError, ValueError, IndexError):
        return None
