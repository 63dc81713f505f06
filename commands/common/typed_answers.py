"""Convert the configure options to answers."""

from __future__ import annotations

import os
from pathlib import Path

from commands.common.configure_options import ConfigureOptions
from commands.common.secrets import check_stdin_readers
from image_tools.answers import (
    Answers,
    CellularAnswers,
    EthernetAnswers,
    HotspotAnswers,
    ProxyAnswers,
    SecretReference,
    WifiAnswers,
)
from image_tools.answers.inputs import PASSPHRASE_VARIABLE
from image_tools.profiles.methods import Security
from resin_toolkit.errors import Usage

_WIFI = ("ssid", "passphrase_file", "plain_passphrase", "hidden", "security")
_ENTERPRISE = (
    "identity",
    "anonymous_identity",
    "phase2",
    "ca_cert",
    "client_cert",
    "private_key",
    "private_key_passphrase_file",
)
_ADDRESSES = ("static", "gateway", "profile_dns", "never_default", "route_metric")
_CELLULAR = ("gsm_number", "gsm_username", "gsm_password_file", "pin_file")
_SECRET_FILES = (
    "passphrase_file",
    "private_key_passphrase_file",
    "gsm_password_file",
    "pin_file",
    "hotspot_passphrase_file",
)
_FILES = ("from_", "config", "ca_cert", "client_cert", "private_key")
_TUNNELLED = (Security.PEAP, Security.TTLS)


def answers_of(options: ConfigureOptions) -> Answers:
    """Return the answers that the options give. Raises Usage for contradictory options; does no I/O."""
    _check_together(options)
    return Answers(
        hostname=options.hostname,
        country=options.country,
        persistent_logging=options.persistent_logging,
        development_mode=options.development_mode,
        ntp=options.ntp,
        dns_servers=options.dns_servers,
        ssh_keys=tuple(options.ssh_key or ()),
        config_file=options.config,
        replace=options.replace or None,
        unset=tuple(options.unset or ()),
        connections=tuple(options.connection or ()),
        remove_connections=tuple(options.remove_connection or ()),
        wifi=(_wifi(options),) if wants_wifi(options) else (),
        ethernet=_ethernet(options) if options.ethernet else None,
        cellular=_cellular(options) if options.cellular is not None else None,
        hotspot=_hotspot(options) if options.hotspot is not None else None,
        proxy=_proxy(options),
    )


def wants_wifi(options: ConfigureOptions) -> bool:
    """Whether an option describes a Wi-Fi network."""
    return options.wifi or bool(_given(options, (*_WIFI, *_ENTERPRISE)))


def _wifi(options: ConfigureOptions) -> WifiAnswers:
    secret = _reference(options.passphrase_file)
    if secret is None and PASSPHRASE_VARIABLE in os.environ:
        secret = SecretReference(variable=PASSPHRASE_VARIABLE)
    tunnelled = options.security in _TUNNELLED
    keeps_secret = options.security not in (Security.OPEN, Security.TLS)
    addresses = {} if options.ethernet else _addresses(options)
    return WifiAnswers(
        ssid=None if options.ssid is None else os.fsencode(options.ssid),
        passphrase=secret if keeps_secret and not tunnelled else None,
        password=secret if tunnelled else None,
        plain_passphrase=options.plain_passphrase or None,
        security=options.security.value if options.security else None,
        hidden=options.hidden or None,
        identity=options.identity,
        anonymous_identity=options.anonymous_identity,
        phase2=options.phase2.value if options.phase2 else None,
        ca_cert=options.ca_cert,
        client_cert=options.client_cert,
        private_key=options.private_key,
        private_key_password=_reference(options.private_key_passphrase_file),
        priority=options.priority,
        **addresses,  # type: ignore[arg-type]
    )


def _ethernet(options: ConfigureOptions) -> EthernetAnswers:
    return EthernetAnswers(
        priority=options.priority,
        shared=options.shared or None,
        **_addresses(options),  # type: ignore[arg-type]
    )


def _addresses(options: ConfigureOptions) -> dict[str, object]:
    return {
        "static": tuple(options.static or ()),
        "gateway": tuple(options.gateway or ()),
        "dns": tuple(options.profile_dns or ()),
        "never_default": options.never_default or None,
        "route_metric": options.route_metric,
    }


def _cellular(options: ConfigureOptions) -> CellularAnswers:
    return CellularAnswers(
        apn=options.cellular,
        number=options.gsm_number,
        username=options.gsm_username,
        password=_reference(options.gsm_password_file),
        pin=_reference(options.pin_file),
    )


def _hotspot(options: ConfigureOptions) -> HotspotAnswers:
    return HotspotAnswers(
        ssid=os.fsencode(options.hotspot or ""), passphrase=_reference(options.hotspot_passphrase_file)
    )


def _proxy(options: ConfigureOptions) -> ProxyAnswers | None:
    if options.proxy is None and options.no_proxy is None:
        return None
    entries = (entry.strip() for entry in (options.no_proxy or "").split(","))
    return ProxyAnswers(url=options.proxy, no_proxy=tuple(entry for entry in entries if entry))


def _reference(file: str | None) -> SecretReference | None:
    return None if file is None else SecretReference(file=Path(file))


def _check_together(options: ConfigureOptions) -> None:
    wifi, cable = wants_wifi(options), options.ethernet
    addresses = _given(options, _ADDRESSES)
    if addresses and wifi and cable:
        raise Usage(
            f"{addresses[0]} is ambiguous with both --wifi and --ethernet.",
            hint="Add the profiles in two runs.",
        )
    if (given := [*addresses, *_given(options, ("priority",))]) and not (wifi or cable):
        raise Usage(f"{given[0]} requires a network profile.", hint="Add --ethernet or --wifi.")
    if options.shared and not cable:
        raise Usage("--shared requires --ethernet.", hint="Add --ethernet; a hotspot is always shared.")
    if (given := _given(options, _ENTERPRISE)) and options.security not in (*_TUNNELLED, Security.TLS):
        raise Usage(f"{given[0]} requires an enterprise network.", hint="Add --security peap, ttls or tls.")
    if (given := _given(options, _CELLULAR)) and options.cellular is None:
        raise Usage(f"{given[0]} requires a cellular profile.", hint="Add --cellular APN.")
    if options.hotspot_passphrase_file is not None and options.hotspot is None:
        raise Usage("--hotspot-passphrase-file requires --hotspot.", hint="Add --hotspot SSID.")
    if options.security is Security.OPEN and options.passphrase_file is not None:
        raise Usage("An open network has no passphrase.", hint="Remove --security open or --passphrase-file.")
    check_stdin_readers(stdin_readers(options))


def stdin_readers(options: ConfigureOptions) -> list[tuple[str, str | Path | None]]:
    """The options that name a file, each with its file, for `check_stdin_readers`.

    Only secrets read stdin when the file is called `-`.
    """
    secrets = [(_option(name), getattr(options, name)) for name in _SECRET_FILES]
    lists = [("--ssh-key", options.ssh_key), ("--connection", options.connection)]
    found = [(_option(name), getattr(options, name)) for name in _FILES]
    found += [(name, file) for name, files in lists for file in files or ()]
    return [*secrets, *((name, file) for name, file in found if str(file) != "-")]


def _given(options: ConfigureOptions, names: tuple[str, ...]) -> list[str]:
    """Return the names of the options that are set, as typed."""
    return [_option(name) for name in names if getattr(options, name) not in (None, False)]


def _option(name: str) -> str:
    return f"--{name.strip('_').replace('_', '-')}"
