"""The volumes of an engine. Source: the Docker Engine API, /volumes, since 1.22."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resin_toolkit.engine.api_client import SLOW, ApiClient, checked_name, has_labels
from resin_toolkit.engine.engine import Engine
from resin_toolkit.errors import ServiceNotFound
from resin_toolkit.untrusted_json import WrongShape, as_object, as_objects, named_texts_of, text


@dataclass(frozen=True)
class VolumeFacts:
    """A named volume."""

    name: str
    driver: str
    labels: Mapping[str, str]


class Volumes:
    """The volumes of `engine`, by name. All methods raise EngineFailed and Unreachable."""

    def __init__(self, engine: Engine) -> None:
        self._api = ApiClient(engine)

    def list(self, labels: Sequence[str] = ()) -> list[VolumeFacts]:
        """The volumes that have all of `labels`, each `name` or `name=value`."""
        found = self._api.get("/volumes", _volumes_of)
        return [volume for volume in found if has_labels(volume.labels, labels)]

    def create(
        self,
        name: str,
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Create a volume unless it exists. Below API 1.23 it gets no labels."""
        content: dict[str, Any] = {
            "Name": name,
            "Driver": driver or "local",
            "DriverOpts": dict(options or {}),
        }
        if labels and self._api.supports(1, 23):
            content["Labels"] = dict(labels)
        self._api.post("/volumes/create", content, within=SLOW)

    def inspect(self, name: str) -> VolumeFacts | None:
        """The facts of a volume; None if it does not exist."""
        try:
            return self._api.get(f"/volumes/{checked_name(name, 'volume')}", _volume_of)
        except ServiceNotFound:
            return None

    def remove(self, name: str) -> None:
        """Remove a volume and its content, if it exists. Raises EngineFailed if a container uses it."""
        try:
            self._api.delete(f"/volumes/{checked_name(name, 'volume')}")
        except ServiceNotFound:
            return


def _volumes_of(answer: Any) -> list[VolumeFacts]:
    return [_volume_of(known) for known in as_objects(as_object(answer).get("Volumes"))]


def _volume_of(answer: Any) -> VolumeFacts:
    known = as_object(answer)
    name = text(known, "Name")
    if not name:
        raise WrongShape("a volume without a name")
    return VolumeFacts(name, text(known, "Driver"), named_texts_of(known, "Labels"))
