"""How a Wi-Fi network authenticates devices: the names that options, answers and profiles share."""

from __future__ import annotations

from enum import StrEnum


class Eap(StrEnum):
    """An EAP method (RFC 3748), by NetworkManager's name."""

    PEAP = "peap"
    TTLS = "ttls"
    TLS = "tls"


class Phase2(StrEnum):
    """How the password is sent inside the PEAP or TTLS tunnel."""

    MSCHAPV2 = "mschapv2"
    PAP = "pap"


class Security(StrEnum):
    """How a Wi-Fi network is secured."""

    WPA_PSK = "wpa-psk"
    SAE = "sae"
    OPEN = "open"
    PEAP = "peap"
    TTLS = "ttls"
    TLS = "tls"

    @property
    def eap(self) -> Eap | None:
        """The EAP method of an enterprise network; None for the others."""
        return Eap(self.value) if self in (Security.PEAP, Security.TTLS, Security.TLS) else None
