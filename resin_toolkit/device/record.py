"""A device: what is needed to connect to it."""

from __future__ import annotations

from dataclasses import dataclass

from resin_toolkit.device.address import AccessMethod

ENGINE_PORTS = (2377, 2375)
"""The TCP ports of the engine on development images: resinOS, and later releases."""
SSH_PORT = 22222
USER = "root"


@dataclass(frozen=True)
class Device:
    """The name and the addresses of a device, and how to connect to it.

    `host` is its full name or its IP address: `kitchen.local`. Host keys and identities are stored under it.
    `addresses` are IP addresses in the order to try them; a link-local IPv6 address has its zone,
    `fe80::1%eth0`.
    """

    host: str
    addresses: tuple[str, ...]
    ssh_port: int = SSH_PORT
    engine_ports: tuple[int, ...] = ENGINE_PORTS
    """In order of preference."""
    user: str | None = None
    """The user to log in as; None is the one of ~/.ssh/config, else root."""
    access_method: AccessMethod | None = None
    """The only method allowed to reach the engine; None allows any."""
    host_key: str = ""
    """The fingerprint of the only host key to accept, `SHA256:…`; empty for the stored one."""

    @property
    def name(self) -> str:
        """The host name without `.local`."""
        return self.host.removesuffix(".local")
