"""The values of an answers file: files are paths, secrets are references, None means not given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from resin_toolkit.errors import BadValue

LARGEST_SECRET = 4096
"""Size limit of a file with a secret, in bytes, including the line end."""


@dataclass(frozen=True)
class SecretReference:
    """The location of a secret: either a file or an environment variable."""

    file: Path | None = None
    variable: str | None = None

    def read(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return the value of the variable, or the only line of the file without its line end.

        Raises BadValue if the variable is not set or the file is not one line of UTF-8, and OSError if it
        cannot be read.
        """
        if self.file is not None:
            return _only_line(self.file)
        value = environ.get(self.variable or "")
        if not value:
            raise BadValue(
                f"The environment variable {self.variable} is not set.",
                hint="Set it to the secret, without leaving the secret in the shell history.",
                variable=self.variable,
            )
        return value


@dataclass(frozen=True, kw_only=True)
class NetworkAnswers:
    """The fields common to all network profiles. `static` holds IPv4 and IPv6 texts ADDRESS/PREFIX."""

    id: str | None = None
    priority: int | None = None
    static: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    never_default: bool | None = None
    route_metric: int | None = None


@dataclass(frozen=True, kw_only=True)
class WifiAnswers(NetworkAnswers):
    """A Wi-Fi network to join."""

    ssid: bytes | None = None
    passphrase: SecretReference | None = None
    plain_passphrase: bool | None = None
    security: str | None = None
    hidden: bool | None = None
    identity: str | None = None
    anonymous_identity: str | None = None
    password: SecretReference | None = None
    phase2: str | None = None
    domain_suffix_match: str | None = None
    ca_cert: Path | None = None
    client_cert: Path | None = None
    private_key: Path | None = None
    private_key_password: SecretReference | None = None


@dataclass(frozen=True, kw_only=True)
class EthernetAnswers(NetworkAnswers):
    """An Ethernet connection."""

    shared: bool | None = None


@dataclass(frozen=True, kw_only=True)
class CellularAnswers:
    """A cellular connection."""

    id: str | None = None
    priority: int | None = None
    apn: str | None = None
    number: str | None = None
    username: str | None = None
    password: SecretReference | None = None
    pin: SecretReference | None = None


@dataclass(frozen=True, kw_only=True)
class HotspotAnswers(NetworkAnswers):
    """A Wi-Fi hotspot that the device runs."""

    ssid: bytes | None = None
    passphrase: SecretReference | None = None
    band: str | None = None
    channel: int | None = None


@dataclass(frozen=True, kw_only=True)
class ProxyAnswers:
    """The proxy. `url` is a reference if it contains a password."""

    url: str | SecretReference | None = None
    no_proxy: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A complete configuration. `config` is merged into config.json after `config_file`."""

    hostname: str | None = None
    country: str | None = None
    persistent_logging: bool | None = None
    development_mode: bool | None = None
    ntp: str | None = None
    dns_servers: str | None = None
    ssh_keys: tuple[Path, ...] = ()
    config_file: Path | None = None
    replace: bool | None = None
    config: Mapping[str, object] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    connections: tuple[Path, ...] = ()
    remove_connections: tuple[str, ...] = ()
    partition: int | None = None
    wifi: tuple[WifiAnswers, ...] = ()
    ethernet: EthernetAnswers | None = None
    cellular: CellularAnswers | None = None
    hotspot: HotspotAnswers | None = None
    proxy: ProxyAnswers | None = None

    @property
    def sets(self) -> tuple[tuple[str, str], ...]:
        """The config.json keys that have their own answer, each with its value as text for --set."""
        values = {
            "hostname": self.hostname,
            "country": self.country,
            "persistentLogging": self.persistent_logging,
            "developmentMode": self.development_mode,
            "ntpServers": self.ntp,
            "dnsServers": self.dns_servers,
        }
        return tuple(
            (key, str(value).lower() if isinstance(value, bool) else value)
            for key, value in values.items()
            if value is not None
        )


def _only_line(file: Path) -> str:
    with file.open("rb") as stream:
        data = stream.read(LARGEST_SECRET + 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    line = text.removesuffix("\n").removesuffix("\r")
    if not line or "\n" in line or "\r" in line or len(data) > LARGEST_SECRET:
        raise BadValue(
            f"{file} does not contain exactly one line with a secret.",
            hint="Write only the secret, on the first line.",
            file=str(file),
        )
    return line
