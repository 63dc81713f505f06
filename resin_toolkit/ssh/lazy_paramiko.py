"""Importing only the parts of paramiko that are used: start-up time depends on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def load() -> ModuleType:
    """The package paramiko, with its log turned off: our errors report what it would log."""
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
    """Hide an optional module of paramiko, which takes a third of the import time, while the block runs."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
