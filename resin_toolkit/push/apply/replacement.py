"""Replacing the container of a service, with a rollback if the new one fails.

At every moment the device has exactly one of the two to run, and needs no workstation to know which:

1. The old container gets the restart policy `always`, so that it starts at every boot. A service that is
   never restarted keeps `no`.
2. The new container is created under a name of its own and without a restart policy: no boot starts it.
3. The requests to stop the old and to start the new container are sent together, so that no lost connection
   falls between them.
4. The grace period. A reboot now brings the old container back.
5. Promotion: the requests that give the new container its policy and remove the old one are sent together,
   too. Then the new one gets its name.

A rollback replaces step 5 if the new container fails: it is removed, and the old one started. `recovery`
cleans up after an interrupted push, at the start of the next one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from resin_toolkit.engine import Container, Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.networks import Networks
from resin_toolkit.engine.request_batch import Request, send_batch
from resin_toolkit.errors import EngineFailed, ImageNotFound, Refused, ResinError, ServiceNotFound
from resin_toolkit.project.names import (
    APP_LABEL,
    NEXT_SUFFIX,
    PUSHER_LABEL,
    RESTART_LABEL,
    SOURCE_LABEL,
    container_name,
)
from resin_toolkit.push.apply.conflicts import (
    changed_meanwhile,
    check_unchanged,
    concurrent_push,
    current_pusher,
)
from resin_toolkit.push.apply.failures import failed_to_start, read_last_output
from resin_toolkit.push.apply.listener import DeploymentListener
from resin_toolkit.push.apply.readiness import (
    DEFAULT_GRACE,
    FIRST_GRACE,
    Readiness,
    may_exit,
    wait_until_ready,
)
from resin_toolkit.push.apply.restart_policies import (
    can_update_policy,
    policy_update_request,
    restart_policy_object,
    set_restart_policy,
)
from resin_toolkit.push.apply.retries import (
    RECONNECT_TIMEOUT,
    is_final,
    retry_after_disconnect,
    retry_while_exiting,
)
from resin_toolkit.push.plan.container_spec import ContainerSpec
from resin_toolkit.push.plan.fallbacks import apply_fallback, find_fallback
from resin_toolkit.push.plan.observed_state import ObservedService
from resin_toolkit.untrusted_json import object_of

T = TypeVar("T")
_STOP_TIMEOUT = 10.0
"""Seconds that the engine gives a container to stop if its configuration names no other time."""
_STOP_MARGIN = 30.0
"""Seconds more until a request to stop counts as failed."""
_TIMEOUT, _POLL = 60.0, 0.2
"""Seconds for the engine to carry out a request whose answer was lost, and between two attempts."""
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Outcome:
    """`container` is the ID of the container that runs now."""

    container: str
    readiness: Readiness


class ContainerReplacer:
    """Replaces containers of one application, one service at a time.

    `grace` is in seconds; None for DEFAULT_GRACE, and FIRST_GRACE if there is no old container. With
    `rollback=False` a new container that fails is kept, and the old one is removed. `source` is the hash of
    the sources of the image, for a label. `reconnect_timeout` is in seconds.
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
        """The same replacer for an image that was built from sources with this hash."""
        return ContainerReplacer(
            self._engine,
            self._listener,
            grace=self._grace,
            rollback=self._rollback,
            source=source,
            reconnect_timeout=self._reconnect_timeout,
        )

    def retry(self, action: Callable[[], T], on_reconnect: Callable[[], object] = bool) -> T:
        """Return the result of `action`, repeated after a lost connection as by `retry_after_disconnect`."""
        return retry_after_disconnect(self._engine, self._reconnect_timeout, action, on_reconnect)

    def replace(self, spec: ContainerSpec, observed: ObservedService) -> Outcome:
        """Create the new container, start it, and promote it once it is ready. `observed` has no `next`.

        Raises PushFailed if it fails, Refused if somebody else is pushing the service, EngineFailed,
        Unreachable.
        """
        service, app = spec.service, str(spec.body["Labels"][APP_LABEL])
        name = container_name(app, service.name)
        old = observed.current
        self._listener.step(service.name, "creating the new container")
        new = self.retry(lambda: self._prepare(spec, app, name, old))
        try:
            if old is not None:
                self.retry(lambda: self._start_at_every_boot(old))
            self._listener.step(
                service.name,
                "stopping the old container, starting the new one" if old else "starting the container",
            )
            self.retry(lambda: self._switch(old, new))
        except EngineFailed as error:
            fallback = find_fallback(error, spec)
            if fallback is not None:
                self._undo(old, new)
                self._listener.warn(fallback.notice(spec, self._engine.host))
                return self.replace(apply_fallback(spec, fallback), observed)
            return self._fail(spec, old, new, error.message.rstrip("."))
        readiness = self.retry(
            lambda: wait_until_ready(self._engine, new, spec, self._grace_period(old)),
            lambda: self._resume(spec, old, new),
        )
        if readiness.failure:
            return self._fail(spec, old, new, readiness.failure, readiness)
        self.promote(spec.service.restart, name, old.id if old else "", new)
        return Outcome(new, readiness)

    def promote(self, restart: str, name: str, old: str, new: str) -> None:
        """Give the new container its restart policy and its name, and remove the old one, if any."""
        self.retry(lambda: self._promote(restart, name, old, new))

    def roll_back(self, old: Container, new: str) -> None:
        """Remove the new container, and start the old one with its own restart policy."""
        self.retry(lambda: self._roll_back(old, new))

    def _grace_period(self, old: Container | None) -> float:
        if self._grace is not None:
            return self._grace
        return FIRST_GRACE if old is None else DEFAULT_GRACE

    def _resume(self, spec: ContainerSpec, old: Container | None, new: str) -> None:
        """Restore the state of the grace period after a lost connection: the engine may have restarted.

        It starts the old container then, and not the new one, which it may have stopped if it was just
        starting it. A task that has exited is not started again.
        """
        if not may_exit(spec) or self._runs(new):
            self._switch(old, new)

    def _runs(self, container: str) -> bool:
        return object_of(self._containers.raw(container), "State").get("Running") is True

    def _promote(self, restart: str, name: str, old: str, new: str) -> None:
        changes_policy = self._can_update and restart != "no"
        requests = [policy_update_request(new, restart)] if changes_policy else []
        if old:
            requests.append(Request("DELETE", f"/containers/{old}?force=1"))
        answers = self._send(requests)
        if changes_policy and isinstance(answers[0], EngineFailed) and not is_final(answers[0]):
            # A task that has just exited. Its policy counts only from the next start on.
            set_restart_policy(self._engine, new, restart)
            answers[0] = None
        _raise_first(answers)
        if self._containers.raw(new).get("Name") != f"/{name}":
            retry_while_exiting(lambda: self._containers.rename(new, name))

    def _roll_back(self, old: Container, new: str) -> None:
        answers = self._send(
            [
                Request("DELETE", f"/containers/{new}?force=1&v=1"),
                Request("POST", f"/containers/{old.id}/start"),
            ]
        )
        _raise_first(answers)
        set_restart_policy(self._engine, old.id, old.labels.get(RESTART_LABEL, "no"))

    def _undo(self, old: Container | None, new: str) -> None:
        if old is None:
            self.retry(lambda: self._containers.remove(new, force=True, volumes=True))
        else:
            self.roll_back(old, new)

    def _prepare(self, spec: ContainerSpec, app: str, name: str, old: Container | None) -> str:
        """Create the new container, and make sure that nobody has changed the old one meanwhile."""
        service = spec.service.name
        try:
            binds = self._anonymous_volumes(old, spec)
        except ServiceNotFound as error:
            raise changed_meanwhile(service, self._engine.host) from error
        new = self._create(name + NEXT_SUFFIX, spec, binds)
        try:
            check_unchanged(self._engine, app, service, name, old)
        except Refused:
            self._containers.remove(new, force=True, volumes=True)
            raise
        return new

    def _create(self, name: str, spec: ContainerSpec, binds: list[str]) -> str:
        labels = {**spec.body["Labels"], PUSHER_LABEL: current_pusher()}
        if self._source:
            labels[SOURCE_LABEL] = self._source
        host = dict(spec.body["HostConfig"])
        # The final policy only if the engine could not change it later (below API 1.23).
        host["RestartPolicy"] = restart_policy_object("no" if self._can_update else spec.service.restart)
        if binds:
            host["Binds"] = [*host.get("Binds", []), *binds]
        body = {**spec.body, "Labels": labels, "HostConfig": host}
        new = self._create_container(name, body, spec.service.name)
        for network, endpoint in spec.further_networks.items():
            Networks(self._engine).connect(network, new, endpoint)
        return new

    def _create_container(self, name: str, body: Mapping[str, object], service: str) -> str:
        deadline = time.monotonic() + _TIMEOUT
        while True:
            try:
                return self._containers.create(name, body, warn=self._listener.warn)
            except ImageNotFound as error:
                # Another push removed the image as unused.
                raise changed_meanwhile(service, self._engine.host) from error
            except EngineFailed as error:
                if error.facts.get("status") != 409:
                    raise
                if not self._remove_own(name) or time.monotonic() > deadline:
                    raise concurrent_push(service, self._engine.host) from error
                time.sleep(_POLL)

    def _remove_own(self, name: str) -> bool:
        """Remove the container if this push created it, and lost the connection before the answer.

        Return False if somebody else created it. The engine may also be creating it still.
        """
        try:
            details = self._containers.raw(name)
        except ServiceNotFound:
            return True
        labels = object_of(object_of(details, "Config"), "Labels")
        if labels.get(PUSHER_LABEL) != current_pusher():
            return False
        self._containers.remove(str(details["Id"]), force=True, volumes=True)
        return True

    def _start_at_every_boot(self, old: Container) -> None:
        """With `unless-stopped` an engine would not start a container again that was stopped on purpose."""
        if old.labels.get(RESTART_LABEL, "no") != "no":
            set_restart_policy(self._engine, old.id, "always")

    def _switch(self, old: Container | None, new: str) -> None:
        start = Request("POST", f"/containers/{new}/start")
        if old is None:
            _raise_first(self._send([start]))
            return
        seconds = self._stop_timeout(old)
        query = "" if seconds is None else "?" + urlencode({"t": round(seconds)})
        within = (seconds or _STOP_TIMEOUT) + _STOP_MARGIN
        stop = Request("POST", f"/containers/{old.id}/stop{query}", within=within)
        _raise_first(self._send([stop, start]))

    def _stop_timeout(self, old: Container) -> float | None:
        """The time that the container's configuration grants; engines know it since API 1.25."""
        timeout = object_of(self._containers.raw(old.id), "Config").get("StopTimeout")
        return float(timeout) if isinstance(timeout, int) else None

    def _fail(
        self,
        spec: ContainerSpec,
        old: Container | None,
        new: str,
        reason: str,
        readiness: Readiness | None = None,
    ) -> Outcome:
        """Roll back, or promote the failed container without a rollback or an old one. Raises PushFailed."""
        service = spec.service
        lines = self._last_output(new)
        name = container_name(str(spec.body["Labels"][APP_LABEL]), service.name)
        restored = old is not None and self._rollback
        if old is not None and self._rollback:
            self._listener.step(service.name, "restoring the old container")
            self.roll_back(old, new)
        else:
            self.promote(service.restart, name, old.id if old else "", new)
        raise failed_to_start(service.name, reason, lines, restored=restored, readiness=readiness)

    def _last_output(self, container: str) -> list[str]:
        try:
            return self.retry(lambda: read_last_output(self._engine, container))
        except (EngineFailed, ServiceNotFound):
            # The log driver cannot be read: the reason of the failure is reported all the same.
            return []

    def _anonymous_volumes(self, old: Container | None, spec: ContainerSpec) -> list[str]:
        """Binds of the anonymous volumes of the old container: the new one keeps their content."""
        if old is None:
            return []
        mounts = self._containers.raw(old.id).get("Mounts")
        taken = {mount.target for mount in spec.service.mounts if mount.source or mount.kind == "tmpfs"}
        return [
            f"{mount['Name']}:{mount['Destination']}"
            for mount in (mounts if isinstance(mounts, list) else [])
            if _is_anonymous(mount) and mount["Destination"] not in taken
        ]

    def _send(self, requests: list[Request]) -> list[ResinError | None]:
        """Send requests; again while the engine still removes a container because of an earlier attempt."""
        deadline = time.monotonic() + _TIMEOUT
        while True:
            answers = send_batch(self._engine.connections, self._engine.api_version, requests)
            if not any(map(_is_being_removed, answers)) or time.monotonic() > deadline:
                return answers
            time.sleep(_POLL)


def _is_being_removed(error: ResinError | None) -> bool:
    return error is not None and error.facts.get("status") == 409 and "already in progress" in error.message


def _raise_first(answers: list[ResinError | None]) -> None:
    """Raise the first refusal, except for a container that is gone already."""
    for error in answers:
        if error is not None and not isinstance(error, ServiceNotFound):
            raise error


def _is_anonymous(mount: Any) -> bool:
    return (
        isinstance(mount, Mapping)
        and mount.get("Type", "volume") == "volume"
        and isinstance(mount.get("Destination"), str)
        and isinstance(mount.get("Name"), str)
        and _ANONYMOUS.fullmatch(mount["Name"]) is not None
    )
