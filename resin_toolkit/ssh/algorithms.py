"""The key exchange with an SSH server, and the error that names what it does not have in common with us."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from resin_toolkit.errors import HostKeyInvalid, Unreachable
from resin_toolkit.ssh import lazy_paramiko
from resin_toolkit.ssh.version_exchange import LOCAL_VERSION, VERSION_TIMEOUT, read_version
from resin_toolkit.untrusted_json import one_line

if TYPE_CHECKING:
    from resin_toolkit.ssh.transport import Transport

_RSA_ALGORITHMS = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
"""The algorithms that a key of type ssh-rsa signs with (RFC 8332)."""


def host_key_algorithms(key_type: str) -> tuple[str, ...]:
    """The host key algorithms to request, so that the server presents a key of this type."""
    return _RSA_ALGORITHMS if key_type == "ssh-rsa" else (key_type,) if key_type else ()


def negotiate(
    host: str,
    endpoint: str,
    connection: Any,
    key_types: Sequence[str],
    within: float,
    rekey_bytes: int | None = None,
    on_version: Callable[[str], object] = str,
) -> Transport:
    """Exchange keys on a connection that our version line was sent on, within `within` seconds in all.

    `on_version` is called with the server's version line. Raises Unreachable, HostKeyInvalid.
    """
    lazy_paramiko.load()
    from paramiko.ssh_exception import IncompatiblePeer, SSHException

    from resin_toolkit.ssh.packetizer import ExchangeTimedOut
    from resin_toolkit.ssh.transport import HostKeyUnproven, Transport

    deadline = time.monotonic() + within
    version = read_version(connection, host, endpoint, min(within, VERSION_TIMEOUT))
    on_version(version)
    transport = Transport(connection, LOCAL_VERSION, version, key_types=key_types, rekey_bytes=rekey_bytes)
    try:
        transport.negotiate(deadline - time.monotonic())
    except IncompatiblePeer as error:
        transport.close()
        raise _no_common_algorithm(host, transport) from error
    except HostKeyUnproven as error:
        transport.close()
        raise HostKeyInvalid(
            f"The SSH server of {host} at {endpoint} cannot prove that it has the host key that it presents.",
            hint="Another machine may be impersonating the device, or changing the connection.",
        ) from error
    except (EOFError, OSError, SSHException) as error:
        transport.close()
        slow = isinstance(error, TimeoutError | ExchangeTimedOut)
        problem = "timed out" if slow else "failed"
        raise Unreachable(
            f"The SSH key exchange with {host} at {endpoint} {problem}.",
            hint="Its SSH server is overloaded or still starting. Try again.",
            cause="no-answer" if slow else "refused",
        ) from error
    return transport


def _no_common_algorithm(host: str, transport: Transport) -> Unreachable:
    kinds = (
        ("kex_algo_list", "key exchange", transport.preferred_kex),
        ("server_key_algo_list", "host key", transport.preferred_keys),
        ("client_encrypt_algo_list", "cipher", transport.preferred_ciphers),
        ("server_encrypt_algo_list", "cipher", transport.preferred_ciphers),
        ("client_mac_algo_list", "MAC", transport.preferred_macs),
        ("server_mac_algo_list", "MAC", transport.preferred_macs),
    )
    for name, kind, ours in kinds:
        theirs = (transport.offered or {}).get(name, [])
        if not set(theirs) & set(ours):
            offered = one_line(", ".join(theirs)) or "nothing"
            return _incompatible(f"{host} and this machine have no {kind} in common: it offers {offered}.")
    return _incompatible(f"{host} and this machine have no algorithms in common.")


def _incompatible(message: str) -> Unreachable:
    return Unreachable(
        message,
        hint="Update the operating system of the device, or this program.",
        cause="algorithms",
    )
