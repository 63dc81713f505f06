"""Errors of a deployment that fails, and the last output of a container that failed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from resin_toolkit.engine import Engine
from resin_toolkit.engine.container_exec import Frames
from resin_toolkit.errors import PushFailed
from resin_toolkit.push.apply.readiness import Readiness
from resin_toolkit.terminal.screen import clean

_REPORTED = re.compile(r"The engine of \S+ reports: ")
_RUNTIME = re.compile(r".*(?:unable to start|starting) container process(?:: | caused:? )")
"""What a container runtime puts before the reason."""
_OUTPUT_LIMIT = 256 * 1024


def failed_to_start(
    service: str, reason: str, lines: Sequence[str], *, restored: bool, readiness: Readiness | None
) -> PushFailed:
    """The new container of `service` failed; `reason` is a clause, `lines` its last output."""
    refused = _REPORTED.match(reason)
    if refused:
        words = _RUNTIME.sub("", reason[refused.end() :])
        reason = f"it cannot start: {words.removesuffix(': unknown')}"
    hint = "The old container was restored and is running." if restored else show_output_hint(service)
    return PushFailed(
        f"The new container of {service} failed: {reason}.",
        hint=hint,
        service=service,
        lines=list(lines),
        went_back=restored,
        exited=readiness is not None,
    )


def network_service_missing(service: str, joined: str, host: str) -> PushFailed:
    """`service` joins the network of a service that has no container."""
    return PushFailed(
        f"{service} joins the network of {joined}, which is not running on {host}.",
        hint=f"Push {joined} as well: `--service {joined} --service {service}`, or all services.",
        service=service,
    )


def no_command(service: str) -> PushFailed:
    """Neither the image of `service` nor its settings name a command."""
    return PushFailed(
        f"The image of {service} has no command to run.",
        hint="Add CMD to its Dockerfile, or set `command` in the project's settings.",
        service=service,
    )


def dependency_failed(service: str, needed: str, reason: str) -> PushFailed:
    """`service` was not started, because a service it depends on is not ready."""
    return PushFailed(
        f"{service} was not started, because its dependency {needed} failed: {reason}.",
        hint=show_output_hint(needed),
        service=service,
    )


def show_output_hint(service: str) -> str:
    return f"`resin logs --service {service}` shows its output."


def read_last_output(engine: Engine, container: str, count: int = 20) -> list[str]:
    """The last lines of stdout and stderr together, printable. Raises what `Engine.logs` raises."""
    tty = engine.inspect(container).tty
    frames, text = Frames(), bytearray()
    with engine.logs(container, tail=str(count), timestamps=False) as stream:
        while data := stream.read():
            text += data if tty else b"".join(piece for _, piece in frames.take(data))
            del text[:-_OUTPUT_LIMIT]
    return clean(text.decode(errors="replace")).splitlines()[-count:]
