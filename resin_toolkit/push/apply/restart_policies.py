"""Restart policies, on engines that let them be changed and on those that do not (below API 1.23)."""

from __future__ import annotations

import time

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.version_negotiation import version_of
from resin_toolkit.errors import EngineFailed

_ATTEMPTS, _PAUSE = 10, 0.2
_ENDS = ("cannot update a deleted process", "cannot update a stopped container")
"""What engines say there, those of Docker 20 and 26."""


def parse_restart_policy(word: str) -> tuple[str, int]:
    """The name of a restart policy and how often it tries: of `on-failure:3`."""
    name, _, count = word.partition(":")
    return name, int(count or 0)


def can_update_policy(engine: Engine) -> bool:
    """Whether the policy of a container can be changed once it is made."""
    return version_of(engine.api_version) >= (1, 23)


def set_restart_policy(engine: Engine, container: str, word: str) -> None:
    """Let a container be restarted in that way from now on, where the engine can change it.

    An engine trips over a container that ends at that moment: then it is tried again.
    """
    if not can_update_policy(engine):
        return
    for attempt in range(_ATTEMPTS):
        try:
            Containers(engine).set_restart_policy(container, *parse_restart_policy(word))
        except EngineFailed as error:
            ends = any(words in error.message for words in _ENDS)
            if not ends or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE)
        else:
            return


def read_restart_policy(engine: Engine, container: str) -> str:
    """How a container is restarted now, as `parse_restart_policy` takes it. Raises ServiceNotFound."""
    host = Containers(engine).raw(container).get("HostConfig")
    policy = host.get("RestartPolicy") if isinstance(host, dict) else None
    known = policy if isinstance(policy, dict) else {}
    name, count = str(known.get("Name") or "no"), known.get("MaximumRetryCount")
    return f"{name}:{count}" if name == "on-failure" and count else name
