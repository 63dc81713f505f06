"""The containers that start, out of the engine's events.

Source: Docker Engine API, "Monitor events"; before API 1.22 an event has no `Actor`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from resin_toolkit.engine import Container
from resin_toolkit.engine.models import one_line, service_of

_LONGEST = 16 * 1024 * 1024


def started_containers(parts: Iterable[bytes]) -> Iterator[list[Container]]:
    """The containers that have started, as far as a stream of events tells of them, as they come."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part[-_LONGEST:]).split(b"\n")
        rest = rest[-_LONGEST:]
        started = []
        for line in lines:
            with suppress(ValueError, RecursionError):
                known = json.loads(line)
                if isinstance(known, dict) and known.get("id"):
                    started.append(_container(known))
        if started:
            yield started


def _container(event: Mapping[str, Any]) -> Container:
    actor = event.get("Actor")
    found = actor.get("Attributes") if isinstance(actor, dict) else None
    labels = {name: value for name, value in found.items() if isinstance(value, str)} if found else {}
    identity = one_line(str(event["id"]))
    name = one_line(labels.get("name", "")) or identity[:12]
    return Container(
        id=identity,
        name=name,
        service=service_of(labels, name),
        image=one_line(labels.get("image", "")),
        state="running",
        status="",
        created=0,
        labels=labels,
    )
