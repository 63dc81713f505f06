"""The warning that an engine accepts unauthenticated connections, given once per engine."""

from __future__ import annotations

import ipaddress

from resin_toolkit.engine.models import EngineFacts
from resin_toolkit.errors import Notice
from resin_toolkit.state import read_state, update_state
from resin_toolkit.tcp import Endpoint

STATE = "engines.json"
"""Which engines were warned of: their IDs."""


def insecure_warning(host: str, place: Endpoint, facts: EngineFacts) -> Notice | None:
    """Return the warning the first time an engine is reached over the network; None afterwards."""
    address = ipaddress.ip_address(place.address)
    if address.is_loopback or _was_said(facts.id):
        return None
    return Notice(
        "engine-open",
        f"The engine of {host} takes orders at {place} from anybody on the network, without a password: use "
        "it only in a network that you trust. This is said once.",
    )


def _was_said(identity: str) -> bool:
    if identity in read_state(STATE):
        return True
    try:
        with update_state(STATE) as known:
            known[identity] = {"warned": True}
    except OSError:
        # Where nothing can be kept it is said each time.
        pass
    return False
