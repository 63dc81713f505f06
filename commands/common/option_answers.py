"""Convert the configure options to answers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

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
_ENTERPRISE = ("identity", "anonymous_identity", "phase2", "ca_cert", "client_cert", "private_key")
_KEY_FILE = "private_key_passphrase_file"
_ADDRESSES = ("static", "gateway", "profile_dns", "never_default", "route_metric")
_CELLULAR = ("gsm_number", "gsm_username", "gsm_password_file", "pin_file")
_SECRET_FILES = ("passphrase_file", _KEY_FILE, "gsm_password_file", "pin_file", "hotspot_passphrase_file")
_FILES = ("from_", "config", "ca_cert", "client_cert", "private_key")
_TUNNELLED = (Security.PEAP, Security.TTLS)
_UNSET = ConfigureOptions()


def answers_from_options(options: ConfigureOptions) -> Answers:
    """Return the answers that the options give. Raises Usage for contradictory options; does no I/O."""
    _check_combinations(options)
    addresses = _values(options, "static", "gateway", "never_default", "route_metric", dns="profile_dns")
    cellular = _values(
        options,
        apn="cellular",
        number="gsm_number",
        username="gsm_username",
        password="gsm_password_file",
        pin="pin_file",
    )
    hotspot = _values(options, ssid="hotspot", passphrase="hotspot_passphrase_file")
    return Answers(
        **_values(options, "hostname", "country", "persistent_logging", "development_mode", "ntp"),
        **_values(options, "dns_servers", "replace", "unset", ssh_keys="ssh_key", config_file="config"),
        **_values(options, connections="connection", remove_connections="remove_connection"),
        wifi=(_wifi(options, {} if options.ethernet else addresses),) if _wants_wifi(options) else (),
        ethernet=EthernetAnswers(**_values(options, "priority", "shared"), **addresses)
        if options.ethernet
        else None,
        cellular=CellularAnswers(**cellular) if options.cellular is not None else None,
        hotspot=HotspotAnswers(**hotspot) if options.hotspot is not None else None,
        proxy=_proxy(options),
    )


def stdin_readers(options: ConfigureOptions) -> list[tuple[str, str | Path | None]]:
    """Return the options that name a file, each with its file, for `check_stdin_readers`.

    Only secrets read stdin when the file is called `-`.
    """
    secrets = [(_option(name), getattr(options, name)) for name in _SECRET_FILES]
    lists = [("--ssh-key", options.ssh_key), ("--connection", options.connection)]
    others = [(_option(name), getattr(options, name)) for name in _FILES]
    others += [(name, file) for name, files in lists for file in files or ()]
    return [*secrets, *((name, file) for name, file in others if str(file) != "-")]


def _wifi(options: ConfigureOptions, addresses: dict[str, Any]) -> WifiAnswers:
    secret = None if options.passphrase_file is None else SecretReference(file=Path(options.passphrase_file))
    if secret is None and PASSPHRASE_VARIABLE in os.environ:
        secret = SecretReference(variable=PASSPHRASE_VARIABLE)
    is_tunnelled = options.security in _TUNNELLED
    has_passphrase = not is_tunnelled and options.security not in (Security.OPEN, Security.TLS)
    return WifiAnswers(
        **_values(options, "ssid", "plain_passphrase", "hidden", "security", "priority"),
        **_values(options, *_ENTERPRISE, private_key_password=_KEY_FILE),
        **addresses,
        passphrase=secret if has_passphrase else None,
        password=secret if is_tunnelled else None,
    )


def _proxy(options: ConfigureOptions) -> ProxyAnswers | None:
    if options.proxy is None and options.no_proxy is None:
        return None
    entries = (entry.strip() for entry in (options.no_proxy or "").split(","))
    return ProxyAnswers(url=options.proxy, no_proxy=tuple(entry for entry in entries if entry))


def _values(options: ConfigureOptions, *names: str, **renamed: str) -> dict[str, Any]:
    """Return the options that are set, by the names of the answers; `renamed` maps these to other options."""
    sources = dict(zip(names, names, strict=True)) | renamed
    return {
        answer: _value(name, getattr(options, name))
        for answer, name in sources.items()
        if _is_set(options, name)
    }


def _value(name: str, value: Any) -> Any:
    if name in _SECRET_FILES:
        return SecretReference(file=Path(value))
    if name in ("ssid", "hotspot"):
        return os.fsencode(value)
    if name in ("security", "phase2"):
        return value.value
    return tuple(value) if isinstance(value, list) else value


def _is_set(options: ConfigureOptions, name: str) -> bool:
    return bool(getattr(options, name) != getattr(_UNSET, name))


def _wants_wifi(options: ConfigureOptions) -> bool:
    return options.wifi or bool(_given(options, (*_WIFI, *_ENTERPRISE, _KEY_FILE)))


def _check_combinations(options: ConfigureOptions) -> None:
    wifi, ethernet = _wants_wifi(options), options.ethernet
    addresses = _given(options, _ADDRESSES)
    if addresses and wifi and ethernet:
        raise Usage(
            f"{addresses[0]} is ambiguous with both --wifi and --ethernet.",
            hint="Run the command once for each profile.",
        )
    if (given := [*addresses, *_given(options, ("priority",))]) and not (wifi or ethernet):
        raise Usage(f"{given[0]} requires a network profile.", hint="Add --ethernet or --wifi.")
    if options.shared and not ethernet:
        raise Usage("--shared requires --ethernet.", hint="Add --ethernet; a hotspot is always shared.")
    if (given := _given(options, (*_ENTERPRISE, _KEY_FILE))) and options.security not in (
        *_TUNNELLED,
        Security.TLS,
    ):
        raise Usage(f"{given[0]} requires an enterprise network.", hint="Add --security peap, ttls or tls.")
    if (given := _given(options, _CELLULAR)) and options.cellular is None:
        raise Usage(f"{given[0]} requires a cellular profile.", hint="Add --cellular APN.")
    if options.hotspot_passphrase_file is not None and options.hotspot is None:
        raise Usage("--hotspot-passphrase-file requires --hotspot.", hint="Add --hotspot SSID.")
    if options.security is Security.OPEN and options.passphrase_file is not None:
        raise Usage("An open network has no passphrase.", hint="Remove --security open or --passphrase-file.")
    check_stdin_readers(stdin_readers(options))


def _given(options: ConfigureOptions, names: tuple[str, ...]) -> list[str]:
    """Return those of `names` that are set, spelled as options."""
    return [_option(name) for name in names if _is_set(options, name)]


def _option(name: str) -> str:
    return f"--{name.strip('_').replace('_', '-')}"
