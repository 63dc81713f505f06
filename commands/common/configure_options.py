"""The options that configure an image, shared by `configure` and `flash`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from commands.common.completions import assignments, files, keys
from image_tools.answers.inputs import PASSPHRASE_VARIABLE
from image_tools.profiles.methods import Phase2, Security


def _flag(words: str, text: str) -> object:
    return typer.Option(words, help=text)


def _value(metavar: str, text: str, *words: str, complete: Callable[[str], object] | None = None) -> object:
    complete = complete or (files if metavar == "FILE" else None)
    # An unreadable file is reported by the command itself, with another exit code than click's.
    return typer.Option(
        *words, metavar=metavar, help=text, show_default=False, readable=False, autocompletion=complete
    )


def _list(metavar: str, text: str, *words: str, complete: Callable[[str], object] | None = None) -> object:
    return _value(metavar, f"{text} (repeatable).", *words, complete=complete)


@dataclass(frozen=True)
class ConfigureOptions:
    """The configure options of a command line."""

    HEADINGS: ClassVar = {
        "wifi": "Wi-Fi",
        "ethernet": "Ethernet, and IP settings of the Wi-Fi or Ethernet profile",
        "cellular": "Cellular and hotspot",
        "connection": "Other profiles and proxy",
        "hostname": "System settings (config.json)",
    }
    from_: Annotated[
        Path | None,
        _value("FILE", "Read settings from a TOML answers file; options take precedence.", "--from"),
    ] = None
    wifi: Annotated[bool, _flag("--wifi", "Add a Wi-Fi network; prompt for missing values.")] = False
    ssid: Annotated[str | None, _value("TEXT", "Set the SSID of the Wi-Fi network.")] = None
    passphrase_file: Annotated[
        str | None,
        _value("FILE", f"Read the passphrase from FILE (- is stdin). Default: ${PASSPHRASE_VARIABLE}."),
    ] = None
    plain_passphrase: Annotated[
        bool, _flag("--plain-passphrase", "Store the passphrase instead of the key derived from it.")
    ] = False
    hidden: Annotated[bool, _flag("--hidden", "Join a network that hides its SSID.")] = False
    security: Annotated[
        Security | None, typer.Option(help="Select the Wi-Fi security. Default: wpa-psk.", show_default=False)
    ] = None
    identity: Annotated[str | None, _value("NAME", "Set the user name for an enterprise network.")] = None
    anonymous_identity: Annotated[str | None, _value("NAME", "Set the outer identity, sent unencrypted.")] = (
        None
    )
    phase2: Annotated[
        Phase2 | None,
        typer.Option(
            "--phase2", help="Select the inner authentication. Default: mschapv2.", show_default=False
        ),
    ] = None
    ca_cert: Annotated[
        Path | None, _value("FILE", "Verify the authentication server with this CA certificate.")
    ] = None
    client_cert: Annotated[
        Path | None, _value("FILE", "Authenticate with this client certificate (tls).")
    ] = None
    private_key: Annotated[Path | None, _value("FILE", "Use this private key (tls).")] = None
    private_key_passphrase_file: Annotated[
        str | None, _value("FILE", "Read the passphrase of the private key from FILE.")
    ] = None
    ethernet: Annotated[bool, _flag("--ethernet", "Add an Ethernet profile.")] = False
    shared: Annotated[bool, _flag("--shared", "Run a DHCP server and NAT on the Ethernet port.")] = False
    static: Annotated[
        list[str] | None,
        _list("ADDRESS/PREFIX", "Set a static address of the profile"),
    ] = None
    gateway: Annotated[
        list[str] | None, _value("ADDRESS", "Set the gateway of the profile, one per IP version.")
    ] = None
    profile_dns: Annotated[list[str] | None, _list("ADDRESS", "Set a DNS server of the profile")] = None
    never_default: Annotated[
        bool, _flag("--never-default", "Never use the profile as the default route.")
    ] = False
    route_metric: Annotated[
        int | None, _value("N", "Set the route metric of the profile; the lowest wins.")
    ] = None
    priority: Annotated[
        int | None, _value("N", "Set the priority of the profile; the highest is tried first.")
    ] = None
    cellular: Annotated[str | None, _value("APN", "Add a cellular profile.")] = None
    gsm_number: Annotated[str | None, _value("NUMBER", "Set the number to dial. Default: *99#.")] = None
    gsm_username: Annotated[str | None, _value("NAME", "Set the APN user name.")] = None
    gsm_password_file: Annotated[str | None, _value("FILE", "Read the APN password from FILE.")] = None
    pin_file: Annotated[str | None, _value("FILE", "Read the SIM PIN from FILE.")] = None
    hotspot: Annotated[str | None, _value("SSID", "Run a Wi-Fi hotspot.")] = None
    hotspot_passphrase_file: Annotated[
        str | None, _value("FILE", "Read the hotspot passphrase from FILE.")
    ] = None
    connection: Annotated[list[Path] | None, _list("FILE", "Check and add a NetworkManager keyfile")] = None
    remove_connection: Annotated[list[str] | None, _list("ID", "Remove the profile with this id")] = None
    proxy: Annotated[
        str | None, _value("URL", "Route traffic through a proxy, such as socks5://HOST:PORT.")
    ] = None
    no_proxy: Annotated[
        str | None, _value("LIST", "Bypass the proxy for these networks, comma-separated.")
    ] = None
    hostname: Annotated[str | None, _value("NAME", "Set the host name, also used for mDNS.")] = None
    country: Annotated[str | None, _value("XX", "Set the Wi-Fi regulatory country, such as DE.")] = None
    persistent_logging: Annotated[
        bool | None,
        _flag("--persistent-logging/--no-persistent-logging", "Keep logs across reboots."),
    ] = None
    development_mode: Annotated[
        bool | None,
        _flag(
            "--development-mode/--no-development-mode", "Allow SSH without a key and access to the engine."
        ),
    ] = None
    ntp: Annotated[str | None, _value("SERVERS", "Set the NTP servers, space-separated.")] = None
    dns_servers: Annotated[str | None, _value("SERVERS", "Set the DNS servers, space-separated.")] = None
    ssh_key: Annotated[list[Path] | None, _list("FILE", "Authorize the SSH public keys in FILE")] = None
    set_: Annotated[
        list[str] | None,
        _list("KEY=VALUE", "Set a config.json key; dots separate nested keys", "--set", complete=assignments),
    ] = None
    unset: Annotated[list[str] | None, _list("KEY", "Remove a config.json key", complete=keys)] = None
    config: Annotated[Path | None, _value("FILE", "Merge this JSON file into config.json.")] = None
    replace: Annotated[bool, _flag("--replace", "Replace config.json instead of changing it.")] = False

    @property
    def given(self) -> bool:
        """Whether any option is set."""
        return self != ConfigureOptions()
