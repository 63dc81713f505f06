"""A file of answers: everything that configures an image, as TOML, for `resin configure --from FILE`.

Secrets are in it by reference only, to a file or to an environment variable. Here are the values; what
is done with them (`reading`, `writing`, `merging`, `schema`, `from_image`) is imported by whoever needs it.
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
