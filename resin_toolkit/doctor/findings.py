"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

IMAGE_COMMANDS = ("flash", "verify")
DEVICE_COMMANDS = ("scan", "wait", "push", "logs", "ssh", "ps", "env", "reboot", "reset")
SSH_COMMANDS = ("ssh", "reboot", "reset", "push", "logs", "ps", "env")


class Status(Enum):
    """How severe a finding is: MISSING makes commands fail, a WARNING restricts them."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """Whether one requirement is met, in a sentence, and what to do if it is not."""

    check: str
    """The name of the check, for scripts: `mdns`."""
    commands: tuple[str, ...]
    """The commands that need it."""
    status: Status
    message: str
    remedy: str = ""
