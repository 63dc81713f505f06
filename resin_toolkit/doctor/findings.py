"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

IMAGE_VERBS = ("flash", "verify")
DEVICE_VERBS = ("scan", "wait", "push", "logs", "ssh", "ps", "env", "reboot", "reset")
BY_SHELL = ("ssh", "reboot", "reset", "push", "logs", "ps", "env")


class Status(Enum):
    """How much it matters: what is MISSING keeps verbs from working, a WARNING from working at their best."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One thing that verbs need: whether it is there, in a sentence, and what to do where it is not."""

    check: str
    """The check's name, for scripts: `mdns`."""
    verbs: tuple[str, ...]
    status: Status
    message: str
    remedy: str = ""
