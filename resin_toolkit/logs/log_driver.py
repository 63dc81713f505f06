"""The log driver of a container: whether its log can be read, rotates, or may drop lines.

Source: Docker's documentation, "Configure logging drivers" and the pages of `json-file`, `local` and
`journald`. The behaviour of rotating logs was observed with engine 20.10.
"""

from __future__ import annotations

from dataclasses import dataclass

from resin_toolkit.engine import ContainerDetails

_READABLE = ("json-file", "local", "journald")


@dataclass(frozen=True)
class LogDriver:
    """What a container's log driver and its options mean for a reader."""

    driver: str
    readable: bool
    """Whether the driver supports reading."""
    rotates: bool
    """Whether old lines are deleted. Following such a log is unreliable: when the engine starts a new file,
    it repeats lines and skips files."""
    may_drop: str
    """Why lines may be missing without notice; empty if none are."""


def log_driver_of(details: ContainerDetails) -> LogDriver:
    """The log driver that a container uses."""
    driver, options = details.log_driver, details.log_options
    readable = driver in _READABLE
    limited = options.get("max-size", "-1") not in ("", "-1")
    return LogDriver(
        driver=driver,
        readable=readable,
        # `local` has a limit by default, and so has the copy that an engine caches for other drivers.
        rotates=limited if driver == "json-file" else driver != "journald",
        may_drop=_drop_reason(driver, options.get("mode", ""), readable=readable),
    )


def _drop_reason(driver: str, mode: str, *, readable: bool) -> str:
    if driver == "journald":
        return "the log driver journald may drop lines when many are written at once"
    if mode == "non-blocking":
        return "with mode=non-blocking, the engine may drop lines when many are written at once"
    if driver not in ("", "none") and not readable:
        return f"the log driver {driver} does not support reading: the engine's copy may lack lines"
    return ""
