"""Agreeing on keys with an SSH server, or saying what stands against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from resin_toolkit.errors import Unreachable
from resin_toolkit.ssh import lazy_paramiko
from resin_toolkit.ssh.version_exchange import OURS, read_greeting
from resin_toolkit.terminal.screen import clean

if TYPE_CHECKING:
    from resin_toolkit.ssh.transport import Transport

_OF_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
"""The algorithms that one and the same key of type ssh-rsa signs by (RFC 8332)."""


def algorithms_of(key_type: str) -> tuple[str, ...]:
    """The host key algorithms to ask for, so that a key of this type is shown."""
    return _OF_RSA if key_type == "ssh-rsa" else (key_type,) if key_type else ()


def negotiate(
    host: str,
    place: str,
    connection: Any,
    key_types: Sequence[str],
    within: float,
    rekey_bytes: int | None = None,
    greeted: Callable[[str], object] = str,
) -> Transport:
    """A connection with keys, on one that our greeting was sent on; `greeted` hears the other end's.

    Raises Unreachable.
    """
    lazy_paramiko.load()
    from paramiko.ssh_exception import IncompatiblePeer, SSHException

    from resin_toolkit.ssh.transport import Transport

    theirs = read_greeting(connection, host, place)
    greeted(theirs.line)
    transport = Transport(connection, OURS, theirs, key_types=key_types, rekey_bytes=rekey_bytes)
    try:
        transport.negotiate(within)
    except IncompatiblePeer as error:
        transport.close()
        raise _nothing_in_common(host, transport) from error
    except (EOFError, OSError, SSHException) as error:
        transport.close()
        slow = isinstance(error, TimeoutError)
        what = "is too slow to agree" if slow else "broke off instead of agreeing"
        raise Unreachable(
            f"{host} {what} on keys at {place}.",
            hint="Its SSH server has too many connections, or is still starting: try again.",
            cause="no-answer" if slow else "refused",
        ) from error
    return transport


def _nothing_in_common(host: str, transport: Transport) -> Unreachable:
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
            offered = clean(", ".join(theirs)) or "nothing"
            return _algorithms(f"{host} and this machine have no {kind} in common: it offers {offered}.")
    return _algorithms(f"{host} and this machine have no algorithms in common.")


def _algorithms(message: str) -> Unreachable:
    return Unreachable(
        message,
        hint="Its operating system is much older, or newer, than what is served here.",
        cause="algorithms",
    )
