"""What becomes of a push that does not succeed, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from resin_toolkit.errors import PushFailed
from resin_toolkit.push.apply.readiness import Readiness

_REFUSED = re.compile(r"The engine of \S+ refuses: ")
_RUNTIME = re.compile(r".*(?:unable to start|starting) container process(?:: | caused:? )")
"""What a container runtime says before the reason."""


def failed_to_start(
    service: str, reason: str, lines: Sequence[str], *, went_back: bool, readiness: Readiness | None
) -> PushFailed:
    """The new container of `service` did not hold out; the fact `lines` are its last."""
    refused = _REFUSED.match(reason)
    if refused:
        words = _RUNTIME.sub("", reason[refused.end() :])
        reason = f"it does not start: {words.removesuffix(': unknown')}"
    hint = (
        "The container that ran before runs again."
        if went_back
        else f"`resin logs --service {service}` shows what it writes."
    )
    return PushFailed(
        f"The new container of {service} did not hold out: {reason}.",
        hint=hint,
        service=service,
        lines=list(lines),
        went_back=went_back,
        exited=readiness is not None,
    )


def network_service_missing(service: str, joined: str, host: str) -> PushFailed:
    """`service` cannot be made, for the service whose network it joins has no container."""
    return PushFailed(
        f"{service} joins the network of {joined}, which is not on {host}.",
        hint=f"Push {joined} too: `--service {joined} --service {service}`, or all.",
        service=service,
    )


def no_command(service: str) -> PushFailed:
    """Neither the image of `service` nor its settings say what it runs."""
    return PushFailed(
        f"The image of {service} does not say what it runs.",
        hint="Add CMD to its Dockerfile, or give it a `command` in the project's settings.",
        service=service,
    )


def dependency_failed(service: str, needed: str, reason: str) -> PushFailed:
    """`service` was not started, for what it depends on is not as it must be."""
    return PushFailed(
        f"{service} was not started: {needed}, which it depends on, {reason}.",
        hint=f"`resin logs --service {needed}` shows what it writes.",
        service=service,
    )
