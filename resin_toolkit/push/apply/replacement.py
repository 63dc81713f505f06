"""A new container takes the place of an old one, and gives it back if it does not hold out.

At each moment the device has exactly one of the two to run, and knows which without the workstation:

1. The old one is set to start at each boot, whatever its own policy was; a service that is never restarted
   stays so.
2. The new one is made under a name of its own, with no restart policy: a reboot does not start it.
3. Stopping the old and starting the new are sent to the engine together, so that no cut falls between them.
4. The grace period. A reboot now brings the old one back.
5. The new one's policy, and the old one's removal, are sent together, too. It gets its name.

Step 5 is removing the new one and starting the old one where the new one has failed. What a cut leaves behind
is put in order by `recovery`, before anything else, at the next push.
"""

from __future__ import annotations

import os
import pwd
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from resin_toolkit.engine import Container, Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.networks import Networks
from resin_toolkit.engine.request_batch import Request, in_sequence
from resin_toolkit.errors import EngineFailed, ImageNotFound, Refused, ResinError, ServiceNotFound
from resin_toolkit.project.names import (
    APP_LABEL,
    NEXT,
    PUSHER_LABEL,
    RESTART_LABEL,
    SOURCE_LABEL,
    container_name,
)
from resin_toolkit.push.apply.events import DeploymentListener
from resin_toolkit.push.apply.failures import failed_to_start
from resin_toolkit.push.apply.last_output import read_last_output
from resin_toolkit.push.apply.name_conflicts import changed_meanwhile, check_unchanged
from resin_toolkit.push.apply.readiness import Readiness, wait_until_ready
from resin_toolkit.push.apply.restart_policies import (
    can_update_policy,
    parse_restart_policy,
    set_restart_policy,
)
from resin_toolkit.push.apply.retries import RECONNECT_TIMEOUT, retry_after_disconnect
from resin_toolkit.push.plan.container_spec import ContainerSpec
from resin_toolkit.push.plan.fallbacks import apply_fallback, find_fallback
from resin_toolkit.push.plan.observed_state import ObservedService

DEFAULT_GRACE, FIRST_GRACE = 1.0, 0.1
"""Seconds for which a new container is watched where nothing else is said."""
_STOP = 10.0
"""Seconds that a container has for its end where it does not say otherwise, as the engine counts."""
_MORE = 30.0
"""Seconds more that the engine has for it."""
_ATTEMPTS, _PAUSE = 10, 0.2
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Outcome:
    """The container that runs now."""

    container: str
    readiness: Readiness


class ContainerReplacer:
    """Changes one service of an application from one container to the next.

    `grace` is in seconds; None is GRACE, and FIRST_GRACE where there is no old one to go back to. With
    `rollback=False` a new container that fails stays, and the old one is removed.
    """

    def __init__(
        self,
        engine: Engine,
        listener: DeploymentListener,
        *,
        grace: float | None,
        rollback: bool = True,
        source: str = "",
        reconnect_timeout: float = RECONNECT_TIMEOUT,
    ) -> None:
        self._engine = engine
        self._can_update = can_update_policy(engine)
        self._containers = Containers(engine)
        self._listener = listener
        self._grace = grace
        self._rollback = rollback
        self._source = source
        self._reconnect_timeout = reconnect_timeout

    def with_source_hash(self, source: str) -> ContainerReplacer:
        """The same for a container whose image has come of `source`, a hash."""
        return ContainerReplacer(
            self._engine,
            self._listener,
            grace=self._grace,
            rollback=self._rollback,
            source=source,
            reconnect_timeout=self._reconnect_timeout,
        )

    def replace(self, spec: ContainerSpec, observed: ObservedService) -> Outcome:
        """Make the container, start it, and let it take over. `observed` has no `next`.

        Raises PushFailed where it does not hold out, Refused where somebody else is at it, EngineFailed,
        Unreachable.
        """
        service, app = spec.service, str(spec.body["Labels"][APP_LABEL])
        name = container_name(app, service.name)
        old = observed.current
        self._listener.step(service.name, "making the new container")
        try:
            carried = self._carried(old, spec)
        except ServiceNotFound as error:
            raise changed_meanwhile(service.name, self._engine.host) from error
        new = self._created(name + NEXT, spec, carried)
        try:
            check_unchanged(self._engine, app, service.name, name, old)
        except Refused:
            self._containers.remove(new, force=True, volumes=True)
            raise
        try:
            if old is not None:
                self._keep_through_boots(old)
            self._listener.step(
                service.name, "stopping the old container, starting the new one" if old else "starting it"
            )
            retry_after_disconnect(self._engine, self._reconnect_timeout, lambda: self._change(old, new))
        except EngineFailed as error:
            fallback = find_fallback(error, spec)
            if fallback is not None:
                self._undo(old, new)
                self._listener.warn(fallback.notice(spec, self._engine.host))
                return self.replace(apply_fallback(spec, fallback), observed)
            return self._failed(spec, old, new, error.message.rstrip("."))
        readiness = retry_after_disconnect(
            self._engine,
            self._reconnect_timeout,
            lambda: wait_until_ready(self._engine, new, spec, self._seconds(old)),
            lambda: self._one_alone(old, new),
        )
        if readiness.failure:
            return self._failed(spec, old, new, readiness.failure, readiness)
        self.promote(spec.service.restart, name, old.id if old else "", new)
        return Outcome(new, readiness)

    def _seconds(self, old: Container | None) -> float:
        if self._grace is not None:
            return self._grace
        return FIRST_GRACE if old is None else DEFAULT_GRACE

    def promote(self, restart: str, name: str, old: str, new: str) -> None:
        """The new container has held out: it gets its restart policy and its name, and the old one goes."""
        retry_after_disconnect(
            self._engine, self._reconnect_timeout, lambda: self._promote(restart, name, old, new)
        )

    def roll_back(self, old: Container, new: str) -> None:
        """The new container goes, and the old one runs again under its own policy."""
        retry_after_disconnect(self._engine, self._reconnect_timeout, lambda: self._roll_back(old, new))

    # the steps

    def _one_alone(self, old: Container | None, new: str) -> None:
        """An engine that was restarted has started the old one, too, where containers outlive it."""
        if old is not None and self._runs(old.id) and self._runs(new):
            self._containers.stop(old.id)

    def _runs(self, container: str) -> bool:
        state = self._containers.raw(container).get("State")
        return isinstance(state, Mapping) and state.get("Running") is True

    def _promote(self, restart: str, name: str, old: str, new: str) -> None:
        policy, maximum = parse_restart_policy(restart)
        changes = self._can_update and policy != "no"
        requests = [_policy_request(new, policy, maximum)] if changes else []
        if old:
            requests.append(Request("DELETE", f"/containers/{old}?force=1"))
        self._in_sequence(requests)
        self._rename(new, name)

    def _roll_back(self, old: Container, new: str) -> None:
        self._in_sequence(
            [
                Request("DELETE", f"/containers/{new}?force=1&v=1"),
                Request("POST", f"/containers/{old.id}/start"),
            ]
        )
        set_restart_policy(self._engine, old.id, old.labels.get(RESTART_LABEL, "no"))

    def _undo(self, old: Container | None, new: str) -> None:
        if old is None:
            self._containers.remove(new, force=True, volumes=True)
        else:
            self.roll_back(old, new)

    def _rename(self, container: str, name: str) -> None:
        """An engine trips over a container that ends at that moment."""
        if self._containers.raw(container).get("Name") == f"/{name}":
            return
        for attempt in range(_ATTEMPTS):
            try:
                self._containers.rename(container, name)
            except EngineFailed as error:
                if attempt == _ATTEMPTS - 1 or error.facts.get("status") == 409:
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def _created(self, name: str, spec: ContainerSpec, carried: list[str]) -> str:
        labels = {**spec.body["Labels"], PUSHER_LABEL: pusher()}
        if self._source:
            labels[SOURCE_LABEL] = self._source
        host = dict(spec.body["HostConfig"])
        host["RestartPolicy"] = self._first_policy(spec)
        if carried:
            host["Binds"] = [*host.get("Binds", []), *carried]
        body = {**spec.body, "Labels": labels, "HostConfig": host}
        try:
            new = self._containers.create(name, body, warn=self._listener.warn)
        except ImageNotFound as error:
            # A push of somebody else has taken it for left over.
            raise changed_meanwhile(spec.service.name, self._engine.host) from error
        except EngineFailed as error:
            if error.facts.get("status") == 409:
                raise concurrent_push(spec.service.name, self._engine.host) from error
            raise
        for network, endpoint in spec.further_networks.items():
            Networks(self._engine).connect(network, new, endpoint)
        return new

    def _first_policy(self, spec: ContainerSpec) -> Mapping[str, object]:
        """None, where the engine lets it be changed (API 1.23)."""
        name, maximum = parse_restart_policy("no" if self._can_update else spec.service.restart)
        return {"Name": name, "MaximumRetryCount": maximum}

    def _keep_through_boots(self, old: Container) -> None:
        if old.labels.get(RESTART_LABEL, "no") != "no":
            set_restart_policy(self._engine, old.id, "always")

    def _change(self, old: Container | None, new: str) -> None:
        start = Request("POST", f"/containers/{new}/start")
        if old is None:
            self._in_sequence([start])
            return
        seconds = self._stop_seconds(old)
        query = "" if seconds is None else "?" + urlencode({"t": round(seconds)})
        stop = Request("POST", f"/containers/{old.id}/stop{query}", within=(seconds or _STOP) + _MORE)
        self._in_sequence([stop, start])

    def _stop_seconds(self, old: Container) -> float | None:
        """What the container says of its own end; the engine knows it since API 1.25."""
        config = self._containers.raw(old.id).get("Config")
        timeout = config.get("StopTimeout") if isinstance(config, Mapping) else None
        return float(timeout) if isinstance(timeout, int) else None

    def _failed(
        self,
        spec: ContainerSpec,
        old: Container | None,
        new: str,
        reason: str,
        readiness: Readiness | None = None,
    ) -> Outcome:
        service = spec.service
        lines = self._last_lines(new)
        name = container_name(str(spec.body["Labels"][APP_LABEL]), service.name)
        went_back = old is not None and self._rollback
        if old is not None and self._rollback:
            self._listener.step(service.name, "going back to the old container")
            self.roll_back(old, new)
        else:
            self.promote(service.restart, name, old.id if old else "", new)
        raise failed_to_start(service.name, reason, lines, went_back=went_back, readiness=readiness)

    def _last_lines(self, container: str) -> list[str]:
        try:
            return read_last_output(self._engine, container)
        except (EngineFailed, ServiceNotFound):
            # A log driver that cannot be read: the reason itself is told all the same.
            return []

    def _carried(self, old: Container | None, spec: ContainerSpec) -> list[str]:
        """The anonymous volumes of the old container, for the new one: what is in them is not lost."""
        if old is None:
            return []
        mounts = self._containers.raw(old.id).get("Mounts")
        taken = {mount.target for mount in spec.service.mounts if mount.source or mount.kind == "tmpfs"}
        return [
            f"{mount['Name']}:{mount['Destination']}"
            for mount in (mounts if isinstance(mounts, list) else [])
            if _is_anonymous(mount) and mount["Destination"] not in taken
        ]

    def _in_sequence(self, requests: list[Request]) -> None:
        """Carry out all; raises the first refusal, once all were tried."""
        for error in in_sequence(self._engine.connections, self._engine.api_version, requests):
            if isinstance(error, ServiceNotFound) or error is None:
                continue
            raise error


def pusher() -> str:
    """Who pushes, for others that look at the device."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}:{os.getpid()}"


def concurrent_push(service: str, host: str, who: str = "") -> ResinError:
    by = f" ({who.rpartition(':')[0]})" if who else ""
    return Refused(
        f"Somebody else{by} is pushing {service} to {host} just now.",
        hint="Wait until that is done, and push again.",
    )


def _policy_request(container: str, policy: str, maximum: int) -> Request:
    content = {"RestartPolicy": {"Name": policy, "MaximumRetryCount": maximum}}
    return Request("POST", f"/containers/{container}/update", content)


def _is_anonymous(mount: Any) -> bool:
    return (
        isinstance(mount, Mapping)
        and mount.get("Type", "volume") == "volume"
        and isinstance(mount.get("Destination"), str)
        and isinstance(mount.get("Name"), str)
        and _ANONYMOUS.fullmatch(mount["Name"]) is not None
    )
