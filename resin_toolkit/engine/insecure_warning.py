"""The warning that an engine accepts unauthenticated connections, given once per engine."""

from __future__ import annotations

import ipaddress

from resin_toolkit.engine.models import EngineFacts
from resin_toolkit.errors import Notice
from resin_toolkit.state import read_state, update_state
from resin_toolkit.tcp import Endpoint

STATE = "engines.json"
"""The state file of engines for which the warning was given, by their IDs."""


def insecure_warning(host: str, endpoint: Endpoint, facts: EngineFacts) -> Notice | None:
    """Return the warning the first time an engine is reached over the network; None afterwards."""
    address = ipaddress.ip_address(endpoint.address)
    if address.is_loopback or _was_given(facts.id):
        return None
    return Notice(
        "engine-open",
        f"The engine of {host} accepts commands from anyone on the network at {endpoint}, without "
        "authentication. Use it only on a network you trust. This warning is shown once for each engine.",
    )


def _was_given(identity: str) -> bool:
    """Whether the warning was given before; from now on it was."""
    if identity in read_state(STATE):
        return True
    try:
        with update_state(STATE) as known:
            known[identity] = {"warned": True}
    except OSError:
        # Without a state file the warning is given each time.
        pass
    return False
