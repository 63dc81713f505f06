"""From answers to a request: reads the files and secrets that they name, and asks for what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from commands.common.configure_options import PASSPHRASE_VARIABLE, ConfigureOptions
from commands.common.hosts_file import Card, with_address
from commands.common.secrets import STDIN, read_secret, required_secret
from resin_toolkit.errors import BadValue, ConfigInvalid, Notice, Usage
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from image_tools import profiles
    from image_tools.answers import Answers, NetworkAnswers, SecretReference, WifiAnswers
    from image_tools.configuration import ConnectionFile, PlacedFile, Request

_PIPE_FOLDERS = ("/dev", "/dev/fd", "/proc/self/fd")
_PASSPHRASE_HINT = f"Give --passphrase-file FILE (- is stdin) or ${PASSPHRASE_VARIABLE}, or --security open."


def build_request(options: ConfigureOptions, answers: Answers, report: Report) -> Request:
    """Return the request for one image; `answers` are those of `resolve_answers`.

    Prompts for missing values. Raises Usage, BadValue or OSError.
    """
    return build_requests(options, answers, report, [Card()])[0]


def build_requests(
    options: ConfigureOptions, answers: Answers, report: Report, cards: Sequence[Card]
) -> list[Request]:
    """Return a request for each card; they differ in host name and address. Prompts once for all cards."""
    from image_tools.configuration import Request

    request = Request(
        sets=(*answers.sets, *(_assignment(text) for text in options.set_ or ())),
        unsets=answers.unset,
        merge=_merge(answers),
        replace=bool(answers.replace),
        ssh_keys=tuple(key for path in answers.ssh_keys for key in _public_keys(path)),
        connections=tuple(_given_connections(answers)),
        removed=answers.remove_connections,
        files=tuple(_proxy_files(answers, report)),
    )
    found = list(_profiles(answers, report))
    return [_for_card(request, found, card) for card in cards]


def _for_card(request: Request, found: Sequence[profiles.Profile], card: Card) -> Request:
    from image_tools.configuration import Request, combined

    sets = tuple((key, card.named(value) if key == "hostname" else value) for key, value in request.sets)
    if card.hostname is not None and "hostname" not in dict(sets):
        sets = (*sets, ("hostname", card.hostname))
    request = replace(request, sets=sets)
    for profile in with_address(found, card):
        request = combined(request, Request.of_profile(profile))
    return request


def resolve_answers(options: ConfigureOptions) -> Answers:
    """Merge the options with the answers file of `--from`; options take precedence.

    Reads the file, which may be a pipe: call it once per run and pass the result on.
    """
    from commands.common.typed_answers import answers_of

    typed = answers_of(options)
    if options.from_ is None:
        return typed
    from image_tools.answers.merge import merged
    from image_tools.answers.reader import read_answers

    file = options.from_
    folder = file.absolute().parent
    if str(folder) in _PIPE_FOLDERS:  # relative paths in a pipe's answers are those of the working directory
        folder = Path.cwd()
    return merged(read_answers(file.read_bytes(), str(file), folder), typed)


def ask_for_everything(report: Report, config: dict[str, object]) -> ConfigureOptions:
    """The options that a person gives who typed none; empty answers leave things as they are."""
    current = config.get("hostname")
    shown = f" [{current}]" if isinstance(current, str) else ""
    hostname = report.ask(f"Host name{shown}, empty to leave it", check=_check_hostname)
    ssid = _ask_ssid(report, "Wi-Fi network to join, empty for none", optional=True)
    logging = report.ask("Keep logs on the device's disk? yes, no, empty to leave it", check=_check_answer)
    return ConfigureOptions(
        hostname=hostname or None,
        ssid=ssid or None,
        persistent_logging=_is_yes(logging) if logging else None,
    )


def _profiles(answers: Answers, report: Report) -> Iterator[profiles.Profile]:
    from image_tools import profiles

    for wifi in answers.wifi:
        yield _wifi(wifi, report)
    if (cable := answers.ethernet) is not None:
        addressing = replace(_addressing(cable), shared=bool(cable.shared))
        yield profiles.EthernetProfile(cable.id or "ethernet", cable.priority, addressing)
    if (modem := answers.cellular) is not None:
        if modem.apn is None:
            raise Usage("A modem's profile needs its APN.", hint="Give it with --cellular APN.")
        yield profiles.CellularProfile(
            modem.apn,
            number=modem.number,
            username=modem.username,
            password=_optional_secret(modem.password, "Password of the APN", report),
            pin=_optional_secret(modem.pin, "PIN of the SIM", report),
            id=modem.id or "cellular",
            priority=modem.priority,
        )
    if (hotspot := answers.hotspot) is not None:
        if hotspot.ssid is None:
            raise Usage("A hotspot needs its name.", hint="Give it with --hotspot SSID.")
        passphrase = required_secret(
            hotspot.passphrase,
            "Passphrase of the hotspot",
            report,
            hint="Give it with --hotspot-passphrase-file.",
            check=profiles.check_passphrase,
        )
        yield profiles.HotspotProfile(
            hotspot.ssid,
            passphrase,
            id=hotspot.id,
            band=None if hotspot.band is None else profiles.Band(hotspot.band),
            channel=hotspot.channel,
            priority=hotspot.priority,
            addressing=replace(_addressing(hotspot), shared=True),
        )


def _addressing(network: NetworkAnswers) -> profiles.Addressing:
    from image_tools.profiles import Addressing

    return Addressing(
        static=network.static,
        gateway=network.gateway,
        dns=network.dns,
        never_default=bool(network.never_default),
        route_metric=network.route_metric,
    )


def _wifi(wifi: WifiAnswers, report: Report) -> profiles.WifiProfile:
    from image_tools import profiles

    ssid = wifi.ssid
    if ssid is None:
        if not report.interactive:
            raise Usage("A Wi-Fi network needs its name.", hint="Give it with --ssid.")
        ssid = os.fsencode(_ask_ssid(report, "Wi-Fi network (SSID)"))
    profiles.check_ssid(ssid)
    security = None if wifi.security is None else profiles.Security(wifi.security)
    is_company = security is not None and security.eap is not None
    return profiles.WifiProfile(
        ssid,
        None if is_company else _passphrase(wifi, ssid, security, report),
        hidden=bool(wifi.hidden),
        id=wifi.id,
        security=security,
        plain_passphrase=bool(wifi.plain_passphrase),
        enterprise=_enterprise(wifi, security, report) if is_company else None,
        priority=wifi.priority,
        addressing=_addressing(wifi),
    )


def _passphrase(
    wifi: WifiAnswers, ssid: bytes, security: profiles.Security | None, report: Report
) -> str | None:
    from image_tools import profiles

    if security is profiles.Security.OPEN:
        return None

    def check(text: str) -> None:
        if text or security is not None or wifi.passphrase is not None:
            profiles.WifiProfile(ssid, text, security=security)

    question = "Passphrase"
    if security is None and wifi.passphrase is None:
        question = "Passphrase (empty for an open network)"
    if wifi.passphrase is None and not report.interactive:
        raise Usage("The Wi-Fi network needs a passphrase.", hint=_PASSPHRASE_HINT)
    return required_secret(wifi.passphrase, question, report, hint=_PASSPHRASE_HINT, check=check) or None


def _enterprise(wifi: WifiAnswers, security: profiles.Security | None, report: Report) -> profiles.Enterprise:
    from image_tools import profiles

    identity = wifi.identity
    if identity is None:
        if not report.interactive:
            raise Usage("A company's network asks who the device is.", hint="Give it with --identity.")
        identity = report.ask("Identity (user name)")
    password = None
    if security is not profiles.Security.TLS:
        hint = f"Give it with --passphrase-file FILE (- is stdin) or ${PASSPHRASE_VARIABLE}."
        password = required_secret(wifi.password, f"Password of {identity}", report, hint=hint)
    return profiles.Enterprise(
        identity,
        password=password,
        anonymous_identity=wifi.anonymous_identity,
        ca_cert=_attachment(wifi.ca_cert),
        client_cert=_attachment(wifi.client_cert),
        private_key=_attachment(wifi.private_key),
        private_key_password=_optional_secret(
            wifi.private_key_password, "Passphrase of the private key", report
        ),
        domain_suffix_match=wifi.domain_suffix_match,
        phase2=profiles.Phase2(wifi.phase2) if wifi.phase2 else profiles.Phase2.MSCHAPV2,
    )


def _attachment(path: Path | None) -> profiles.Attachment | None:
    from image_tools.profiles import Attachment

    return None if path is None else Attachment(path.name, path.read_bytes())


def _optional_secret(reference: SecretReference | None, question: str, report: Report) -> str | None:
    return None if reference is None else read_secret(reference, question, report)


def uses_stdin(options: ConfigureOptions) -> bool:
    """Whether a secret is to come from stdin."""
    files = (options.passphrase_file, options.private_key_passphrase_file, options.gsm_password_file)
    return str(STDIN) in (*files, options.pin_file, options.hotspot_passphrase_file)


def _proxy_files(answers: Answers, report: Report) -> Iterator[PlacedFile]:
    from image_tools.configuration import NO_PROXY_PATH, PROXY_PATH, PlacedFile

    if answers.proxy is None:
        return
    from image_tools import proxy

    if (url := answers.proxy.url) is not None:
        text = url if isinstance(url, str) else read_secret(url, "URL of the proxy", report)
        parsed = proxy.ProxyUrl.parse(text)
        if isinstance(url, str) and parsed.password is not None:
            told = "The proxy's password was typed, where other users of this computer can see it."
            report.warn(
                Notice("proxy-password-typed", f"{told} A file of answers can name a file with the URL.")
            )
        report.warn(*proxy.proxy_notices(parsed))
        yield PlacedFile(PROXY_PATH, proxy.redsocks_conf(parsed), f"proxy {parsed}")
    if entries := answers.proxy.no_proxy:
        yield PlacedFile(NO_PROXY_PATH, proxy.no_proxy(entries), ", ".join(entries))


def _given_connections(answers: Answers) -> Iterator[ConnectionFile]:
    from image_tools.configuration import ConnectionFile
    from image_tools.profiles import mended

    for path in answers.connections:
        yield ConnectionFile(path.name, mended(path.read_bytes()))


def _merge(answers: Answers) -> dict[str, object] | None:
    """What is laid over config.json: a file, and what a file of answers has in its own [config]."""
    from image_tools.config import merge

    file = None if answers.config_file is None else _parsed(answers.config_file)
    if not answers.config:
        return file
    return merge(file or {}, dict(answers.config))[0]


def _public_keys(path: Path) -> list[str]:
    from image_tools.config import public_keys

    return public_keys(path.read_bytes(), str(path))


def _parsed(file: Path) -> dict[str, object]:
    from image_tools.config import parse

    try:
        return parse(file.read_bytes(), str(file))
    except ConfigInvalid as error:
        raise BadValue(error.message, hint="Mend the file.") from error


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not name.isprintable():
        # The text may hold a secret, so it is not repeated.
        raise Usage("--set takes KEY=VALUE.", hint="For example --set hostname=kitchen.")
    return name, value


def _ask_ssid(report: Report, question: str, *, optional: bool = False) -> str:
    """The name of a network, which may be picked by its number out of those that the workstation knows."""
    from image_tools.profiles import check_ssid
    from resin_toolkit.wifi_networks import list_wifi_networks

    networks = list_wifi_networks()
    for number, network in enumerate(networks, start=1):
        about = "not in reach" if network.signal is None else f"{network.signal}%"
        report.say(f"  {number}  {network.ssid} ({about})")

    def picked(text: str) -> str:
        is_number = text.isdecimal() and 1 <= int(text) <= len(networks)
        return networks[int(text) - 1].ssid if is_number else text

    def check(text: str) -> None:
        if text or not optional:
            check_ssid(os.fsencode(picked(text)))

    return picked(report.ask(f"{question}{', or its number' if networks else ''}", check=check))


def _check_hostname(text: str) -> None:
    if text:
        from image_tools.config import set_value

        set_value({}, "hostname", text)


def _check_answer(text: str) -> None:
    if text.lower() not in ("", "y", "yes", "n", "no"):
        raise BadValue("Answer yes or no.")


def _is_yes(text: str) -> bool:
    return text.lower() in ("y", "yes")
