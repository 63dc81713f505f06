"""The shell of a device, by SSH: the only place that knows paramiko, which is loaded when it connects."""

from resin_toolkit.errors import NotSupported
from resin_toolkit.ssh.connection import connect, shown_key
from resin_toolkit.ssh.host_keys import HostKey
from resin_toolkit.ssh.session import Completed, Shell, Stream

__all__ = ["Completed", "HostKey", "NotSupported", "Shell", "Stream", "connect", "shown_key"]
