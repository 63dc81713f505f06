"""The host keys of devices, stored at the first connection and required from then on.

A device is identified by its name and port. Its key stays pinned until the user forgets it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from resin_toolkit.device.record import SSH_PORT, Device
from resin_toolkit.errors import HostKeyChanged, StateDamaged
from resin_toolkit.state import read_state, state_damaged, state_folder, update_state

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
        """As printed by OpenSSH: `SHA256:` and the digest in base64 without padding."""
        digest = hashlib.sha256(base64.b64decode(self.base64)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def pinned_key(device: Device) -> HostKey | None:
    """The key pinned for `device`, if any. Raises StateDamaged."""
    return _key_in(read_state(FILE, protects=True), device)


def check_key(device: Device, key: HostKey, tell: Callable[[str], object], *, pin: bool = True) -> None:
    """Compare `key` with the pinned one. If none is pinned, pin it, unless `pin` is false.

    `tell` is called with a notice of the new key. Raises HostKeyChanged.
    """
    known = pinned_key(device)
    if known is None and pin:
        known = _pin(device, key, tell)
    if known is not None and known != key:
        raise _changed(device, known, key)


def warn_of_outdated(device: Device, algorithms: Sequence[str], tell: Callable[[str], object]) -> None:
    """Tell once for each pinned key that the device supports only these algorithms, if there are any."""
    if not algorithms:
        return
    name, found = _name_of(device), sorted(algorithms)
    entry = read_state(FILE, protects=True).get(name)
    if isinstance(entry, dict) and entry.get("outdated") == found:
        return
    with suppress(OSError), update_state(FILE, protects=True) as state:
        if name in state:
            state[name]["outdated"] = found
    tell(
        f"{device.name} supports only outdated SSH algorithms: {', '.join(found)}."
        " Update its operating system when you can."
    )


def forget_key(device: Device) -> HostKey | None:
    """Remove the pinned key of `device` and return it, if any. Raises OSError, StateDamaged."""
    name = _name_of(device)
    if name not in read_state(FILE, protects=True):
        return None
    with update_state(FILE, protects=True) as state:
        removed = {name: state.pop(name, None)}
    try:
        return _key_in(removed, device)
    except StateDamaged:
        return None


def _pin(device: Device, key: HostKey, tell: Callable[[str], object]) -> HostKey:
    """Pin `key`, unless another process has just pinned one. Return the pinned key."""
    try:
        with update_state(FILE, protects=True) as state:
            known = _key_in(state, device)
            if known is not None:
                return known
            now = datetime.now(UTC).isoformat(timespec="seconds")
            state[_name_of(device)] = {"type": key.type, "key": key.base64, "since": now}
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        tell(f"Cannot store the host key of {device.name} in {state_folder()}: {reason}.")
        return key
    tell(f"Permanently added the host key of {device.name}: {key.type} {key.fingerprint}.")
    return key


def _name_of(device: Device) -> str:
    return f"[{device.host}]:{device.ssh_port}"


def _key_in(state: Mapping[str, object], device: Device) -> HostKey | None:
    name = _name_of(device)
    if name not in state:
        return None
    entry = state[name]
    type_, key = (entry.get("type"), entry.get("key")) if isinstance(entry, dict) else (None, None)
    if isinstance(type_, str) and isinstance(key, str):
        with suppress(ValueError):
            base64.b64decode(key, validate=True)
            return HostKey(type_, key)
    raise state_damaged(
        state_folder() / FILE,
        f"its entry {name} is not a host key",
        f"Run `resin ssh {device.name} --forget-key` to accept the key that it presents now.",
    )


def _changed(device: Device, known: HostKey, shown: HostKey) -> HostKeyChanged:
    port = "" if device.ssh_port == SSH_PORT else f" --ssh-port {device.ssh_port}"
    return HostKeyChanged(
        f"The host key of {device.host} has changed: it presents {shown.type} {shown.fingerprint}, "
        f"but {known.type} {known.fingerprint} is stored.",
        hint=f"If it was flashed or reset, run `resin ssh {device.name}{port} --forget-key`. "
        "If not, another machine may be impersonating it.",
        pinned=known.fingerprint,
        shown=shown.fingerprint,
    )
