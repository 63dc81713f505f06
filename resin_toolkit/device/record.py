"""A device that was named or found: all that is needed to connect to it."""

from __future__ import annotations

from dataclasses import dataclass

from resin_toolkit.device.address import AccessMethod

ENGINE_PORTS = (2377, 2375)
"""Where a development image's engine listens: resinOS, and many releases since."""
SSH_PORT = 22222
USER = "root"


@dataclass(frozen=True)
class Device:
    """A device, by what it is called, and where it is.

    `host` is the name or IP address that stands for it, in full: `kitchen.local`. Host keys and identities
    are remembered under it. `addresses` are IP addresses, those to be tried first in front; a link-local IPv6
    address has its zone, `fe80::1%eth0`.
    """

    host: str
    addresses: tuple[str, ...]
    ssh_port: int = SSH_PORT
    engine_ports: tuple[int, ...] = ENGINE_PORTS
    """Tried in this order of preference."""
    user: str | None = None
    """Who logs in; None is whom ~/.ssh/config names, else root."""
    access_method: AccessMethod | None = None
    """The only way to the engine that may be taken; None is whichever is open."""

    @property
    def name(self) -> str:
        """What a person calls it: the host name without `.local`."""
        return self.host.removesuffix(".local")
