"""The host keys of devices, pinned at first sight in a file of our own.

A device is known by its name and port. What is pinned stays until the user forgets it; another is refused.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from resin_toolkit.device.record import SSH_PORT, Device
from resin_toolkit.errors import HostKeyChanged
from resin_toolkit.state import read_state, state_folder, update_state

FILE = "host-keys.json"


@dataclass(frozen=True)
class HostKey:
    """A public host key: its type (`ssh-ed25519`) and the key itself in base64, as in known_hosts."""

    type: str
    base64: str

    @classmethod
    def of(cls, type: str, blob: bytes) -> HostKey:
        return cls(type, base64.b64encode(blob).decode())

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it: `SHA256:` and the digest in base64 without padding."""
        digest = hashlib.sha256(base64.b64decode(self.base64)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def pinned_key(device: Device) -> HostKey | None:
    """The key that `device` showed at first; None if it was never seen, or is forgotten."""
    return _key_in(read_state(FILE), device)


def check_key(device: Device, key: HostKey, tell: Callable[[str], object], *, pin: bool = True) -> None:
    """Return if `key` is the pinned one. What was never seen is pinned, which `tell` hears, or let be.

    Raises HostKeyChanged.
    """
    known = pinned_key(device)
    if known is None and pin:
        known = _pin(device, key, tell)
    if known is not None and known != key:
        raise _changed(device, known, key)


def forget_key(device: Device) -> HostKey | None:
    """Forget the key of `device`; returns the one that was pinned. Raises OSError."""
    if pinned_key(device) is None:
        return None
    with update_state(FILE) as state:
        known = _key_in(state, device)
        state.pop(_name_of(device), None)
    return known


def _pin(device: Device, key: HostKey, tell: Callable[[str], object]) -> HostKey:
    """Pin `key`, unless another run has just pinned one; the one that is pinned now."""
    try:
        with update_state(FILE) as state:
            known = _key_in(state, device)
            if known is not None:
                return known
            now = datetime.now(UTC).isoformat(timespec="seconds")
            state[_name_of(device)] = {"type": key.type, "key": key.base64, "since": now}
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        tell(f"The host key of {device.name} cannot be kept in {state_folder()}: {reason}.")
        return key
    tell(f"{device.name} is new here: its host key is pinned, {key.type} {key.fingerprint}.")
    return key


def _name_of(device: Device) -> str:
    return f"[{device.host}]:{device.ssh_port}"


def _key_in(state: Mapping[str, object], device: Device) -> HostKey | None:
    entry = state.get(_name_of(device))
    if not isinstance(entry, dict):
        return None
    type_, key = entry.get("type"), entry.get("key")
    if not isinstance(type_, str) or not isinstance(key, str):
        return None
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        return None
    return HostKey(type_, key)


def _changed(device: Device, known: HostKey, shown: HostKey) -> HostKeyChanged:
    port = "" if device.ssh_port == SSH_PORT else f" --ssh-port {device.ssh_port}"
    return HostKeyChanged(
        f"{device.host} shows another host key than before: {shown.type} {shown.fingerprint}, "
        f"pinned is {known.type} {known.fingerprint}.",
        hint=f"Was it flashed again, or reset? Then `resin ssh {device.name}{port} --forget-key`. "
        "If not, something else answers in its place.",
        pinned=known.fingerprint,
        shown=shown.fingerprint,
    )
