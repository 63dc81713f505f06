"""The containers that start, parsed from the engine's events.

Source: Docker Engine API, "Monitor events"; before API 1.22 an event has no `Actor`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from resin_toolkit.engine import Container
from resin_toolkit.engine.models import service_of
from resin_toolkit.untrusted_json import named_texts_of, object_of, one_line

_MAX_EVENT = 1024 * 1024
"""Bytes of the longest event that is parsed."""


def started_containers(chunks: Iterable[bytes]) -> Iterator[list[Container]]:
    """Parse the JSON lines of an event stream into the containers that have started; ignore other lines."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk[-_MAX_EVENT:]).split(b"\n")
        rest = rest[-_MAX_EVENT:]
        started = []
        for line in lines:
            with suppress(ValueError, RecursionError):
                event = json.loads(line)
                if isinstance(event, dict) and event.get("id"):
                    started.append(_container(event))
        if started:
            yield started


def _container(event: Mapping[str, Any]) -> Container:
    labels = named_texts_of(object_of(event, "Actor"), "Attributes")
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
