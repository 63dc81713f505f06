"""SSH connections to devices, on paramiko, which is imported when a connection is made."""

from resin_toolkit.errors import NotSupported
from resin_toolkit.ssh.connection import connect, fetch_host_key
from resin_toolkit.ssh.host_keys import HostKey
from resin_toolkit.ssh.session import Completed, Shell, Stream

__all__ = ["Completed", "HostKey", "NotSupported", "Shell", "Stream", "connect", "fetch_host_key"]
