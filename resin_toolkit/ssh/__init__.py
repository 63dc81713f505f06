"""SSH connections to devices, on paramiko, which is imported when a connection is made.

The server is not trusted. What it sends is bounded in memory, and each phase has a deadline that holds
whatever else it sends meanwhile: answers to keepalives, ignored messages, single bytes.

| phase | at most |
| --- | --- |
| connecting | `within` of `connect`, 2 to 3 s |
| its version | 5 s (`version_exchange.VERSION_TIMEOUT`) |
| its version and the key exchange | 10 s (`version_exchange.HANDSHAKE_TIMEOUT`) |
| all its answers to a login; as long again after each input of a person | 10 s (`userauth.LOGIN_TIMEOUT`) |
| opening a channel; starting a command or shell | 10 s each (`channels.ANSWER_TIMEOUT`) |
| a command of this program | 10 s (`session.COMMAND_TIMEOUT`), unless the caller knows that it takes longer |
| new keys, later on | 12 s, from the last data that was still on the way (`packetizer.GIVE_UP`) |
| one packet, from its first byte to its last, in either direction | 12 s (`packetizer.GIVE_UP`) |
| silence | probed after 5 s, ended after 12 s (`packetizer.GIVE_UP`) |

There is no limit for a command or shell of the user, for a forwarded connection, and for the stream to an
engine, which has deadlines of its own.
"""

from resin_toolkit.errors import NotSupported
from resin_toolkit.ssh.connection import connect, fetch_host_key, prove_host_key
from resin_toolkit.ssh.host_keys import HostKey
from resin_toolkit.ssh.session import Completed, Shell, Stream

__all__ = [
    "Completed",
    "HostKey",
    "NotSupported",
    "Shell",
    "Stream",
    "connect",
    "fetch_host_key",
    "prove_host_key",
]
