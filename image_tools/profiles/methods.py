"""Wi-Fi security types and EAP methods, shared by options, answers and profiles."""

from __future__ import annotations

from enum import StrEnum


class Eap(StrEnum):
    """An EAP method (RFC 3748), with its name in NetworkManager."""

    PEAP = "peap"
    TTLS = "ttls"
    TLS = "tls"


class Phase2(StrEnum):
    """The inner authentication in a PEAP or TTLS tunnel."""

    MSCHAPV2 = "mschapv2"
    PAP = "pap"


class Security(StrEnum):
    """The security type of a Wi-Fi network."""

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
