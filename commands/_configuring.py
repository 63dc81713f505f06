"""The options that say how to configure an image, and how they become a request. Several verbs take them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resin_toolkit.errors import BadValue, Usage
from resin_toolkit.report import Report

if TYPE_CHECKING:
    from image_tools.configuration import ConnectionFile, Request

PASSPHRASE_VARIABLE = "RESIN_WIFI_PASSPHRASE"
_LARGEST_PASSPHRASE_FILE = 4096


class Security(Enum):
    """How a Wi-Fi network is secured."""

    WPA_PSK = "wpa-psk"
    OPEN = "open"


@dataclass(frozen=True)
class ConfigureOptions:
    """What to configure, as typed."""

    wifi: Annotated[bool, typer.Option("--wifi", help="Add a Wi-Fi network; asks for what is missing.")] = (
        False
    )
    ssid: Annotated[str | None, typer.Option("--ssid", metavar="TEXT", help="Name of the Wi-Fi network.")] = (
        None
    )
    passphrase_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help=f"Where its passphrase is (- is stdin); else ${PASSPHRASE_VARIABLE}, or asked for.",
        ),
    ] = None
    security: Annotated[
        Security | None, typer.Option(help="How it is secured; by default wpa-psk.", show_default=False)
    ] = None
    hidden: Annotated[bool, typer.Option("--hidden", help="The network does not announce its name.")] = False
    hostname: Annotated[str | None, typer.Option(metavar="NAME", help="Host name, and name in mDNS.")] = None
    persistent_logging: Annotated[
        bool | None,
        typer.Option(
            "--persistent-logging/--no-persistent-logging", help="Keep the device's logs on its disk."
        ),
    ] = None
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a key of config.json; dots nest."),
    ] = None
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="KEY", help="Remove a key of config.json.")
    ] = None
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Merge this JSON file into config.json.")
    ] = None
    connection: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Add this NetworkManager keyfile, after a check."),
    ] = None

    @property
    def wants_wifi(self) -> bool:
        parts = (self.ssid, self.passphrase_file, self.security)
        return self.wifi or self.hidden or any(part is not None for part in parts)

    @property
    def given(self) -> bool:
        """Whether anything was asked for."""
        return self != ConfigureOptions()


def request_of(options: ConfigureOptions, report: Report) -> Request:
    """The request that the options make; asks for what is missing. Raises Usage, BadValue or an OSError."""
    from image_tools.configuration import ConnectionFile, Request
    from image_tools.profiles.keyfile import mended

    sets = [_assignment(text) for text in options.set_ or ()]
    if options.hostname is not None:
        sets.append(("hostname", options.hostname))
    if options.persistent_logging is not None:
        sets.append(("persistentLogging", str(options.persistent_logging).lower()))
    connections = [ConnectionFile(path.name, mended(path.read_bytes())) for path in options.connection or ()]
    if options.wants_wifi:
        connections.append(_wifi(options, report))
    return Request(
        sets=tuple(sets),
        unsets=tuple(options.unset or ()),
        merge=_parsed(options.config) if options.config is not None else None,
        connections=tuple(connections),
    )


def ask_for_everything(report: Report, config: dict[str, object]) -> ConfigureOptions:
    """The options that a person gives who typed none; empty answers leave things as they are."""
    current = config.get("hostname")
    shown = f" [{current}]" if isinstance(current, str) else ""
    hostname = report.ask(f"Host name{shown}, empty to leave it", check=_check_hostname)
    ssid = report.ask("Wi-Fi network to join, empty for none", check=lambda text: text and _ssid(text))
    logging = report.ask("Keep logs on the device's disk? yes, no, empty to leave it", check=_check_answer)
    return ConfigureOptions(
        hostname=hostname or None,
        ssid=ssid or None,
        persistent_logging=_is_yes(logging) if logging else None,
    )


def _wifi(options: ConfigureOptions, report: Report) -> ConnectionFile:
    from image_tools.configuration import ConnectionFile
    from image_tools.profiles import WifiProfile

    text = options.ssid
    if text is None:
        if not report.interactive:
            raise Usage("A Wi-Fi network needs its name.", hint="Give it with --ssid.")
        text = report.ask("Wi-Fi network (SSID)", check=_ssid)
    ssid = _ssid(text)
    passphrase = _passphrase(options, report, ssid)
    profile = WifiProfile(ssid, passphrase, hidden=options.hidden)
    return ConnectionFile(profile.file_name, profile.keyfile())


def _passphrase(options: ConfigureOptions, report: Report, ssid: bytes) -> str | None:
    from image_tools.profiles import WifiProfile

    if options.security is Security.OPEN:
        if options.passphrase_file is not None:
            raise Usage(
                "An open network has no passphrase.", hint="Leave out --security open or --passphrase-file."
            )
        return None
    if options.passphrase_file is not None:
        if options.passphrase_file == "-" and report.interactive:
            return report.ask_secret("Passphrase", check=lambda text: WifiProfile(ssid, text))
        return _read_passphrase(options.passphrase_file)
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environ[PASSPHRASE_VARIABLE]
    if not report.interactive:
        raise Usage(
            "The Wi-Fi network needs a passphrase.",
            hint=f"Give --passphrase-file FILE (- is stdin) or ${PASSPHRASE_VARIABLE}, or --security open.",
        )

    def check(text: str) -> None:
        if text or options.security is not None:
            WifiProfile(ssid, text)

    return report.ask_secret("Passphrase (empty for an open network)", check=check) or None


def _read_passphrase(file: str) -> str:
    """The first line of a file, or of stdin."""
    if file == "-":
        if sys.stdin is None:
            raise BadValue("There is no stdin to read the passphrase from.", hint="Name a file.")
        data = sys.stdin.buffer.read(_LARGEST_PASSPHRASE_FILE + 1)
    else:
        with Path(file).open("rb") as stream:
            data = stream.read(_LARGEST_PASSPHRASE_FILE + 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    line = text.removesuffix("\n").removesuffix("\r")
    if not line or "\n" in line or len(data) > _LARGEST_PASSPHRASE_FILE:
        raise BadValue(
            f"{'stdin' if file == '-' else file} does not hold one passphrase.",
            hint="Put the passphrase alone on its first line.",
        )
    return line


def _parsed(file: Path) -> dict[str, object]:
    from image_tools.config import parse

    return parse(file.read_bytes(), str(file))


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        # The text may hold a secret, so it is not repeated.
        raise Usage("--set takes KEY=VALUE.", hint="For example --set hostname=kitchen.")
    return name, value


def _ssid(text: str) -> bytes:
    from image_tools.profiles.wifi import check_ssid

    ssid = os.fsencode(text)
    check_ssid(ssid)
    return ssid


def _check_hostname(text: str) -> None:
    if text:
        from image_tools.config import set_value

        set_value({}, "hostname", text)


def _check_answer(text: str) -> None:
    if text.lower() not in ("", "y", "yes", "n", "no"):
        raise BadValue("Answer yes or no.")


def _is_yes(text: str) -> bool:
    return text.lower() in ("y", "yes")
