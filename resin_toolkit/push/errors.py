"""What becomes of a push that does not succeed, in words."""

from __future__ import annotations

from collections.abc import Sequence

from resin_toolkit.errors import PushFailed
from resin_toolkit.push.grace import Verdict


def failed_to_start(
    service: str, reason: str, lines: Sequence[str], *, went_back: bool, verdict: Verdict | None
) -> PushFailed:
    """The new container of `service` did not hold out; the fact `lines` are its last."""
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
        exited=verdict is not None,
    )


def not_there(service: str, joined: str, host: str) -> PushFailed:
    """`service` cannot be made, for the service whose network it joins has no container."""
    return PushFailed(
        f"{service} joins the network of {joined}, which is not on {host}.",
        hint=f"Push {joined} too: `--service {joined} --service {service}`, or all.",
        service=service,
    )


def dependency_failed(service: str, needed: str, reason: str) -> PushFailed:
    """`service` was not started, for what it depends on is not as it must be."""
    return PushFailed(
        f"{service} was not started: {needed}, which it depends on, {reason}.",
        hint=f"`resin logs --service {needed}` shows what it writes.",
        service=service,
    )
