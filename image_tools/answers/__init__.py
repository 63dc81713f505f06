"""Answers files: the configuration of an image as TOML, for `resin configure --from FILE`.

Secrets are references to a file or an environment variable. The package exports the values; import the
other modules (`reader`, `writer`, `merge`, `to_request`, `from_image`) where they are needed.
"""

from image_tools.answers.model import (
    Answers,
    CellularAnswers,
    EthernetAnswers,
    HotspotAnswers,
    NetworkAnswers,
    ProxyAnswers,
    SecretReference,
    WifiAnswers,
)

__all__ = [
    "Answers",
    "CellularAnswers",
    "EthernetAnswers",
    "HotspotAnswers",
    "NetworkAnswers",
    "ProxyAnswers",
    "SecretReference",
    "WifiAnswers",
]
