"""Restart policies, on engines that let them be changed and on those that do not (below API 1.23)."""

from __future__ import annotations

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.greeting import version_of


def restart_policy(word: str) -> tuple[str, int]:
    """The name of a restart policy and how often it tries: of `on-failure:3`."""
    name, _, count = word.partition(":")
    return name, int(count or 0)


def can_update(engine: Engine) -> bool:
    """Whether the policy of a container can be changed once it is made."""
    return version_of(engine.api_version) >= (1, 23)


def set_policy(engine: Engine, container: str, word: str) -> None:
    """Let a container be restarted in that way from now on, where the engine can change it."""
    if can_update(engine):
        Containers(engine).set_restart_policy(container, *restart_policy(word))
