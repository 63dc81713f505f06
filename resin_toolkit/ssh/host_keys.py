"""The host keys of devices, stored at the first connection and required from then on.

A device is identified by its name and port. Its key stays pinned until the user forgets it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from resin_toolkit.device.cache import cached_device
from resin_toolkit.device.record import SSH_PORT, Device
from resin_toolkit.errors import BadValue, HostKeyChanged, StateDamaged, os_reason
from resin_toolkit.state import read_state, state_damaged, state_folder, update_state

FILE = "host-keys.json"
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


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


def pinned_ports(host: str) -> list[int]:
    """The SSH ports of `host` for which a key is pinned. Raises StateDamaged."""
    prefix = f"[{host}]:"
    names = (name.removeprefix(prefix) for name in read_state(FILE, protects=True) if name.startswith(prefix))
    return [int(port) for port in names if port.isdecimal()]


def expected_fingerprint(device: Device) -> str:
    """The fingerprint that `device` must prove: the required one, else the pinned one; empty without any.

    Raises StateDamaged.
    """
    pinned = None if device.host_key else pinned_key(device)
    return device.host_key or (pinned.fingerprint if pinned else "")


def parse_fingerprint(text: str) -> str:
    """A fingerprint as typed. Raises BadValue."""
    fingerprint = text.strip().rstrip("=")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise BadValue(
            f"{text!r} is not a host key fingerprint, which is SHA256: followed by 43 characters.",
            hint="`resin scan --json` lists fingerprints as host_key; on the device, "
            "`ssh-keygen -lf` prints that of a public key file.",
        )
    return fingerprint


def check_key(
    device: Device, key: HostKey, tell: Callable[[str], object], *, address: str = "", pin: bool = True
) -> None:
    """Compare `key`, proven at `address`, with the required and the pinned one.

    If none is pinned, pin it, unless `pin` is false. `tell` is called with a notice of the new key. A
    required key takes precedence over a pinned one, which stays. Raises HostKeyChanged.
    """
    if device.host_key and key.fingerprint != device.host_key:
        raise _not_required(device, key, address)
    known = pinned_key(device)
    if known is None and pin:
        known = _pin(device, key, tell)
    if known is not None and known != key and not device.host_key:
        raise _changed(device, known, key, address)


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
        tell(f"Cannot store the host key of {device.name} in {state_folder()}: {os_reason(error)}.")
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


def _changed(device: Device, known: HostKey, shown: HostKey, address: str) -> HostKeyChanged:
    cached = cached_device(device.host)
    before = [other for other in cached.addresses if other != address] if cached and address else []
    last = f", last seen at {before[0]}" if before else ""
    return HostKeyChanged(
        f"The host key of {device.host} has changed: {address or 'it'} presents {shown.type} "
        f"{shown.fingerprint}, but {known.type} {known.fingerprint} is stored{last}.",
        hint=f"If it was flashed or reset, run {forget_command(device)}. If it is another device of the same "
        "name, use its address. If not, another machine may be impersonating it.",
        pinned=known.fingerprint,
        shown=shown.fingerprint,
        address=address,
        known_addresses=tuple(before),
    )


def forget_command(device: Device) -> str:
    """The command that forgets what is remembered of a device, in backticks."""
    port = "" if device.ssh_port == SSH_PORT else f" --ssh-port {device.ssh_port}"
    return f"`resin ssh {device.name}{port} --forget-key`"


def _not_required(device: Device, shown: HostKey, address: str) -> HostKeyChanged:
    return HostKeyChanged(
        f"The host key of {device.host} is not the required one: {address or 'it'} presents {shown.type} "
        f"{shown.fingerprint}, but {device.host_key} is required by --host-key or RESIN_HOST_KEY.",
        hint="If it was flashed or reset, pass its new fingerprint. "
        "If not, another machine may be impersonating it.",
        pinned=device.host_key,
        shown=shown.fingerprint,
        address=address,
    )
