"""The networks of an engine. Source: the Docker Engine API, /networks, since 1.22."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resin_toolkit.engine.api_client import ApiClient, checked_name, have_labels, labels_of, list_of
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.models import WrongShape, as_object, text
from resin_toolkit.errors import EngineFailed, ServiceNotFound


@dataclass(frozen=True)
class NetworkFacts:
    """A network of containers."""

    id: str
    name: str
    driver: str
    labels: Mapping[str, str]


class Networks:
    """The networks of `engine`, each by its ID or name.

    All raise EngineFailed where the engine refuses, and Unreachable where the connection breaks.
    """

    def __init__(self, engine: Engine) -> None:
        self._api = ApiClient(engine)

    def list(self, labels: Sequence[str] = ()) -> list[NetworkFacts]:
        """Its networks; those that have all of `labels`, each `name` or `name=value`."""
        found = self._api.get("/networks", lambda answer: [_facts(known) for known in list_of(answer)])
        # Old engines know no filter by labels.
        return [network for network in found if have_labels(network.labels, labels)]

    def create(
        self,
        name: str,
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        internal: bool = False,
        subnets: Sequence[str] = (),
    ) -> str:
        """Make a network; its ID. Raises EngineFailed with the status 409 where the name is taken.

        Below API 1.23 it has no labels.
        """
        content: dict[str, Any] = {
            "Name": name,
            "CheckDuplicate": True,
            "Driver": driver or "bridge",
            "Options": dict(options or {}),
            "Internal": internal,
        }
        if labels and self._api.speaks(1, 23):
            content["Labels"] = dict(labels)
        if subnets:
            content["IPAM"] = {"Driver": "default", "Config": [{"Subnet": subnet} for subnet in subnets]}
        if any(":" in subnet for subnet in subnets):
            content["EnableIPv6"] = True
        return self._api.shaped(self._api.post("/networks/create", content), _identity)

    def connect(
        self,
        network: str,
        container: str,
        endpoint: Mapping[str, Any] | None = None,
        *,
        aliases: Sequence[str] = (),
        ipv4: str = "",
        ipv6: str = "",
    ) -> None:
        """Connect a container, under further names and with addresses of its own where they are given.

        `endpoint` is what else the API takes for it. Raises ServiceNotFound where there is no such container.
        """
        settings = dict(endpoint or {})
        addresses = {"IPv4Address": ipv4, "IPv6Address": ipv6}
        given = {name: value for name, value in addresses.items() if value}
        if aliases:
            settings["Aliases"] = [*settings.get("Aliases", ()), *aliases]
        if given:
            settings["IPAMConfig"] = {**settings.get("IPAMConfig", {}), **given}
        content = {"Container": container, "EndpointConfig": settings}
        self._api.post(f"/networks/{checked_name(network, 'network')}/connect", content)

    def remove(self, network: str) -> None:
        """Remove it, if it is there. Raises EngineFailed where a container is connected."""
        try:
            self._api.delete(f"/networks/{checked_name(network, 'network')}")
        except ServiceNotFound:
            return
        except EngineFailed as error:
            # Since 1.24 the words are "network NAME not found".
            if error.facts.get("status") != 404:
                raise


def _facts(known: Mapping[str, Any]) -> NetworkFacts:
    return NetworkFacts(_identity(known), text(known, "Name"), text(known, "Driver"), labels_of(known))


def _identity(answer: Any) -> str:
    identity = text(as_object(answer), "Id")
    if not identity:
        raise WrongShape("a network without an ID")
    return identity
