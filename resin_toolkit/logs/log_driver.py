"""How an engine keeps the log of a container: what may be missing in it, and how it can be read.

Source: Docker's documentation, "Configure logging drivers" and the pages of `json-file`, `local` and
`journald`; what `rotates` says was found out with engine 20.10.
"""

from __future__ import annotations

from dataclasses import dataclass

from resin_toolkit.engine import ContainerDetails

_READABLE = ("json-file", "local", "journald")


@dataclass(frozen=True)
class LogDriver:
    """What a container's log driver and its options mean for who reads."""

    driver: str
    readable: bool
    """Whether the driver is one that gives lines back."""
    rotates: bool
    """Whether old lines make room for new ones. What the engine sends of such a log while it follows it is
    not to be relied on: when it begins a new file, it repeats lines, and passes over files."""
    may_drop: str
    """Why lines may be missing without a trace; empty where none are."""


def log_driver_of(details: ContainerDetails) -> LogDriver:
    """How the log of a container is kept."""
    driver, options = details.log_driver, details.log_options
    readable = driver in _READABLE
    limited = options.get("max-size", "-1") not in ("", "-1")
    return LogDriver(
        driver=driver,
        readable=readable,
        # `local` has a limit without being told, and so has the copy that an engine keeps for other drivers.
        rotates=limited if driver == "json-file" else driver != "journald",
        may_drop=_why_dropped(driver, options.get("mode", ""), readable=readable),
    )


def _why_dropped(driver: str, mode: str, *, readable: bool) -> str:
    if driver == "journald":
        return "kept by journald, which may drop lines when many come at once"
    if mode == "non-blocking":
        return "taken down with mode=non-blocking: the engine may drop lines when many come at once"
    if driver not in ("", "none") and not readable:
        return f"sent away by {driver}: the engine keeps a copy, and may leave lines out of it"
    return ""
