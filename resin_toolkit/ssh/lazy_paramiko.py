"""Loading no more of paramiko than is used, for who types a command waits for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def load() -> ModuleType:
    """The package paramiko, silent: what it would log is told by the errors of resin."""
    with _without("invoke"):
        import paramiko
    import logging

    logger = logging.getLogger("paramiko")
    logger.setLevel(logging.CRITICAL + 1)
    return paramiko


def load_config(*, needs_exec: bool) -> ModuleType:
    """The module paramiko.config; `needs_exec` if the file has a `Match exec`, which runs programs."""
    load()
    import paramiko.config

    if needs_exec:
        import invoke

        paramiko.config.invoke = invoke  # type: ignore[attr-defined]
    return paramiko.config


@contextmanager
def _without(name: str) -> Iterator[None]:
    """A module that takes a third of the time and that paramiko does without, as if it was not installed."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
