"""The volumes of an engine. Source: the Docker Engine API, /volumes, since 1.22."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resin_toolkit.engine.api_client import SLOW, ApiClient, checked_name, have_labels, labels_of, list_of
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.models import WrongShape, as_object, text
from resin_toolkit.errors import ServiceNotFound


@dataclass(frozen=True)
class VolumeFacts:
    """A volume that has a name."""

    name: str
    driver: str
    labels: Mapping[str, str]
    mountpoint: str
    """Where it lies on the device."""


class Volumes:
    """The volumes of `engine`, each by its name.

    All raise EngineFailed where the engine refuses, and Unreachable where the connection breaks.
    """

    def __init__(self, engine: Engine) -> None:
        self._api = ApiClient(engine)

    def list(self, labels: Sequence[str] = ()) -> list[VolumeFacts]:
        """Its volumes; those that have all of `labels`, each `name` or `name=value`."""
        found = self._api.get("/volumes", _listed)
        return [volume for volume in found if have_labels(volume.labels, labels)]

    def create(
        self,
        name: str,
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Make a volume, if there is none of that name. Below API 1.23 it has no labels."""
        content: dict[str, Any] = {
            "Name": name,
            "Driver": driver or "local",
            "DriverOpts": dict(options or {}),
        }
        if labels and self._api.speaks(1, 23):
            content["Labels"] = dict(labels)
        self._api.post("/volumes/create", content, within=SLOW)

    def inspect(self, name: str) -> VolumeFacts | None:
        """What the engine knows of a volume; None where there is none."""
        try:
            return self._api.get(f"/volumes/{checked_name(name, 'volume')}", _facts)
        except ServiceNotFound:
            return None

    def remove(self, name: str) -> None:
        """Remove it with all that is in it, if it is there. Raises EngineFailed where a container has it."""
        try:
            self._api.delete(f"/volumes/{checked_name(name, 'volume')}")
        except ServiceNotFound:
            return


def _listed(answer: Any) -> list[VolumeFacts]:
    return [_facts(known) for known in list_of(as_object(answer).get("Volumes"))]


def _facts(answer: Any) -> VolumeFacts:
    known = as_object(answer)
    name = text(known, "Name")
    if not name:
        raise WrongShape("a volume without a name")
    return VolumeFacts(name, text(known, "Driver"), labels_of(known), text(known, "Mountpoint"))
