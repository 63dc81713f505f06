"""The networks of an engine. Source: the Docker Engine API, /networks, since 1.22."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resin_toolkit.engine.api_client import ApiClient, checked_name, has_labels
from resin_toolkit.engine.engine import Engine
from resin_toolkit.errors import EngineFailed, ServiceNotFound
from resin_toolkit.untrusted_json import WrongShape, as_object, as_objects, named_texts_of, text


@dataclass(frozen=True)
class NetworkFacts:
    """A network of containers."""

    id: str
    name: str
    driver: str
    labels: Mapping[str, str]


class Networks:
    """The networks of `engine`, by ID or name. All methods raise EngineFailed and Unreachable."""

    def __init__(self, engine: Engine) -> None:
        self._api = ApiClient(engine)

    def list(self, labels: Sequence[str] = ()) -> list[NetworkFacts]:
        """The networks that have all of `labels`, each `name` or `name=value`."""
        found = self._api.get("/networks", lambda answer: [_network_of(each) for each in as_objects(answer)])
        # Old engines cannot filter by labels.
        return [network for network in found if has_labels(network.labels, labels)]

    def create(
        self,
        name: str,
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        internal: bool = False,
        subnets: Sequence[str] = (),
    ) -> str:
        """Create a network and return its ID. Raises EngineFailed with status 409 if the name is in use.

        Below API 1.23 it gets no labels.
        """
        content: dict[str, Any] = {
            "Name": name,
            "CheckDuplicate": True,
            "Driver": driver or "bridge",
            "Options": dict(options or {}),
            "Internal": internal,
        }
        if labels and self._api.supports(1, 23):
            content["Labels"] = dict(labels)
        if subnets:
            content["IPAM"] = {"Driver": "default", "Config": [{"Subnet": subnet} for subnet in subnets]}
        if any(":" in subnet for subnet in subnets):
            content["EnableIPv6"] = True
        return self._api.parse(self._api.post("/networks/create", content), _identity)

    def connect(self, network: str, container: str, endpoint: Mapping[str, Any] | None = None) -> None:
        """Connect a container to a network. Raises ServiceNotFound if there is no such container.

        `endpoint` is the API's EndpointConfig: further names of the container, its addresses.
        """
        content = {"Container": container, "EndpointConfig": dict(endpoint or {})}
        self._api.post(f"/networks/{checked_name(network, 'network')}/connect", content)

    def remove(self, network: str) -> None:
        """Remove a network, if it exists. Raises EngineFailed if a container is connected to it."""
        try:
            self._api.delete(f"/networks/{checked_name(network, 'network')}")
        except ServiceNotFound:
            return
        except EngineFailed as error:
            # Since 1.24 the message is "network NAME not found".
            if error.facts.get("status") != 404:
                raise


def _network_of(known: Mapping[str, Any]) -> NetworkFacts:
    return NetworkFacts(
        _identity(known), text(known, "Name"), text(known, "Driver"), named_texts_of(known, "Labels")
    )


def _identity(answer: Any) -> str:
    identity = text(as_object(answer), "Id")
    if not identity:
        raise WrongShape("a network without an ID")
    return identity
