"""The options that say how to configure an image, as typed. `configure` and `flash` take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from commands.common.completions import assignments, files, keys
from image_tools.answers.inputs import PASSPHRASE_VARIABLE
from image_tools.profiles.methods import Phase2, Security


def _flag(words: str, text: str) -> object:
    return typer.Option(words, help=text)


def _value(metavar: str, text: str, *words: str, complete: Callable[[str], object] | None = None) -> object:
    complete = complete or (files if metavar == "FILE" else None)
    # What may not be read says so itself, with another exit code than click's.
    return typer.Option(
        *words, metavar=metavar, help=text, show_default=False, readable=False, autocompletion=complete
    )


@dataclass(frozen=True)
class ConfigureOptions:
    """What to configure, as typed."""

    wifi: Annotated[bool, _flag("--wifi", "Add a Wi-Fi network; asks for what is missing.")] = False
    ssid: Annotated[str | None, _value("TEXT", "Name of the Wi-Fi network.")] = None
    passphrase_file: Annotated[
        str | None,
        _value("FILE", f"Where its passphrase is (- is stdin); else ${PASSPHRASE_VARIABLE}, or asked for."),
    ] = None
    plain_passphrase: Annotated[
        bool, _flag("--plain-passphrase", "Write the passphrase itself, not the key derived from it.")
    ] = False
    hidden: Annotated[bool, _flag("--hidden", "The network does not announce its name.")] = False
    security: Annotated[
        Security | None, typer.Option(help="How it is secured; by default wpa-psk.", show_default=False)
    ] = None
    identity: Annotated[str | None, _value("NAME", "Who the device is, in a company's network.")] = None
    anonymous_identity: Annotated[str | None, _value("NAME", "Who it says it is before the tunnel.")] = None
    phase2: Annotated[
        Phase2 | None,
        typer.Option("--phase2", help="Inside the tunnel; by default mschapv2.", show_default=False),
    ] = None
    ca_cert: Annotated[Path | None, _value("FILE", "Certificate that the network is checked by.")] = None
    client_cert: Annotated[Path | None, _value("FILE", "The device's own certificate (tls).")] = None
    private_key: Annotated[Path | None, _value("FILE", "Its private key (tls).")] = None
    private_key_passphrase_file: Annotated[
        str | None, _value("FILE", "Where the private key's passphrase is.")
    ] = None
    priority: Annotated[int | None, _value("N", "The network with the highest is tried first.")] = None
    ethernet: Annotated[bool, _flag("--ethernet", "Add a profile for the cable.")] = False
    static: Annotated[
        list[str] | None, _value("ADDRESS/PREFIX", "Fixed address of the Wi-Fi or Ethernet profile.")
    ] = None
    gateway: Annotated[list[str] | None, _value("ADDRESS", "Its gateway.")] = None
    profile_dns: Annotated[list[str] | None, _value("ADDRESS", "Its name server.")] = None
    never_default: Annotated[bool, _flag("--never-default", "Not the way to the internet.")] = False
    route_metric: Annotated[int | None, _value("N", "Weight of its routes; the lowest wins.")] = None
    shared: Annotated[bool, _flag("--shared", "Give addresses out on the cable, and share the internet.")] = (
        False
    )
    cellular: Annotated[str | None, _value("APN", "Add a profile for a modem.")] = None
    gsm_number: Annotated[str | None, _value("NUMBER", "What the modem dials; *99# by default.")] = None
    gsm_username: Annotated[str | None, _value("NAME", "User name of the APN.")] = None
    gsm_password_file: Annotated[str | None, _value("FILE", "Where the password of the APN is.")] = None
    pin_file: Annotated[str | None, _value("FILE", "Where the PIN of the SIM is.")] = None
    hotspot: Annotated[str | None, _value("SSID", "Make a Wi-Fi network.")] = None
    hotspot_passphrase_file: Annotated[
        str | None, _value("FILE", "Where its passphrase is; else asked for.")
    ] = None
    connection: Annotated[
        list[Path] | None, _value("FILE", "Add this NetworkManager keyfile, after a check.")
    ] = None
    remove_connection: Annotated[list[str] | None, _value("ID", "Remove the profile of that id.")] = None
    proxy: Annotated[
        str | None, _value("URL", "Send the device's traffic through a proxy: socks5://HOST:PORT.")
    ] = None
    no_proxy: Annotated[str | None, _value("LIST", "Networks that the proxy is not for, with commas.")] = None
    hostname: Annotated[str | None, _value("NAME", "Host name, and name in mDNS.")] = None
    country: Annotated[str | None, _value("XX", "Country, for the Wi-Fi channels.")] = None
    persistent_logging: Annotated[
        bool | None,
        _flag("--persistent-logging/--no-persistent-logging", "Keep the device's logs on its disk."),
    ] = None
    development_mode: Annotated[
        bool | None, _flag("--development-mode/--no-development-mode", "Open it for development.")
    ] = None
    ntp: Annotated[str | None, _value("SERVERS", "Time servers, with spaces.")] = None
    dns_servers: Annotated[str | None, _value("SERVERS", "Name servers, with spaces.")] = None
    ssh_key: Annotated[list[Path] | None, _value("FILE", "Admit the public keys in this file.")] = None
    set_: Annotated[
        list[str] | None,
        _value("KEY=VALUE", "Set a key of config.json; dots nest.", "--set", complete=assignments),
    ] = None
    unset: Annotated[list[str] | None, _value("KEY", "Remove a key of config.json.", complete=keys)] = None
    config: Annotated[Path | None, _value("FILE", "Merge this JSON file into config.json.")] = None
    replace: Annotated[bool, _flag("--replace", "Begin config.json anew.")] = False
    from_: Annotated[Path | None, _value("FILE", "Take the answers in this TOML file too.", "--from")] = None

    @property
    def given(self) -> bool:
        """Whether anything was asked for."""
        return self != ConfigureOptions()
