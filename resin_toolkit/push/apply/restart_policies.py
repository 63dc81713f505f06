"""Restart policies of containers, in the notation of compose: `no`, `always`, `on-failure:3`.

Engines below API 1.23 cannot change the policy of a container that exists.
"""

from __future__ import annotations

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.request_batch import Request
from resin_toolkit.engine.version_negotiation import parse_version
from resin_toolkit.push.apply.retries import retry_while_exiting
from resin_toolkit.untrusted_json import whole_number


def parse_restart_policy(policy: str) -> tuple[str, int]:
    """The name of a policy and its maximum number of retries, 0 for no limit."""
    name, _, count = policy.partition(":")
    return name, whole_number(count) or 0


def restart_policy_object(policy: str) -> dict[str, object]:
    """The policy as the engine's API has it (HostConfig.RestartPolicy)."""
    name, maximum = parse_restart_policy(policy)
    return {"Name": name, "MaximumRetryCount": maximum}


def can_update_policy(engine: Engine) -> bool:
    """Whether the engine can change the policy of a container that exists."""
    return parse_version(engine.api_version) >= (1, 23)


def policy_update_request(container: str, policy: str) -> Request:
    """The request that changes the policy of a container."""
    content = {"RestartPolicy": restart_policy_object(policy)}
    return Request("POST", f"/containers/{container}/update", content)


def set_restart_policy(engine: Engine, container: str, policy: str) -> None:
    """Change the policy of a container, which may be exiting, if the engine can change it.

    Raises ServiceNotFound, EngineFailed.
    """
    if can_update_policy(engine):
        name, maximum = parse_restart_policy(policy)
        retry_while_exiting(lambda: Containers(engine).set_restart_policy(container, name, maximum))


def read_restart_policy(engine: Engine, container: str) -> str:
    """The current policy of a container. Raises ServiceNotFound."""
    host = Containers(engine).raw(container).get("HostConfig")
    policy = host.get("RestartPolicy") if isinstance(host, dict) else None
    known = policy if isinstance(policy, dict) else {}
    name, count = str(known.get("Name") or "no"), known.get("MaximumRetryCount")
    return f"{name}:{count}" if name == "on-failure" and count else name
