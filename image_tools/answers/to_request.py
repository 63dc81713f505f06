"""Convert answers to requests to configure images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from image_tools import config as config_file
from image_tools import profiles
from image_tools.answers.hosts import Card, assign_address
from image_tools.answers.inputs import PASSPHRASE_VARIABLE, Check, Inputs
from image_tools.answers.model import Answers, NetworkAnswers, SecretReference, WifiAnswers
from image_tools.configuration import (
    NO_PROXY_PATH,
    PROXY_PATH,
    ConnectionFile,
    PlacedFile,
    Request,
    combine_requests,
)
from resin_toolkit.errors import BadValue, ConfigInvalid, Notice, Usage


def build_requests(
    answers: Answers, inputs: Inputs, cards: Sequence[Card] = (Card(),), sets: Sequence[str] = ()
) -> list[Request]:
    """Return a request for each card; they differ in host name and address only.

    `sets` are further assignments KEY=VALUE. Raises Usage, BadValue or OSError.
    """
    request = Request(
        sets=(*answers.sets, *map(_parse_assignment, sets)),
        unsets=answers.unset,
        merge=_merge(answers, inputs),
        replace=bool(answers.replace),
        ssh_keys=tuple(
            key for path in answers.ssh_keys for key in config_file.public_keys(inputs.read(path), str(path))
        ),
        connections=tuple(
            ConnectionFile(path.name, profiles.normalize_keyfile(inputs.read(path)))
            for path in answers.connections
        ),
        removed=answers.remove_connections,
        files=tuple(_proxy_files(answers, inputs)),
    )
    built = list(_build_profiles(answers, inputs))
    return [_request_for_card(request, built, card) for card in cards]


def _request_for_card(request: Request, built: Sequence[profiles.Profile], card: Card) -> Request:
    sets = tuple((key, card.named(value) if key == "hostname" else value) for key, value in request.sets)
    if card.hostname is not None and "hostname" not in dict(sets):
        sets = (*sets, ("hostname", card.hostname))
    request = replace(request, sets=sets)
    for profile in assign_address(built, card):
        request = combine_requests(request, Request.add_profile(profile))
    return request


def _parse_assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not name.isprintable():
        # The text may hold a secret, so it is not repeated.
        raise Usage("--set takes KEY=VALUE.", hint="For example --set hostname=kitchen.")
    return name, value


def _merge(answers: Answers, inputs: Inputs) -> dict[str, object] | None:
    """The keys to merge into config.json: those of `config-file`, then those of `[config]`."""
    base = None if answers.config_file is None else _parse_config(answers.config_file, inputs)
    if not answers.config:
        return base
    return config_file.merge(base or {}, dict(answers.config))[0]


def _parse_config(path: Path, inputs: Inputs) -> dict[str, object]:
    try:
        return config_file.parse(inputs.read(path), str(path))
    except ConfigInvalid as error:
        raise BadValue(error.message, hint="Correct the file.") from error


def _proxy_files(answers: Answers, inputs: Inputs) -> Iterator[PlacedFile]:
    if answers.proxy is None:
        return
    from image_tools import proxy

    if (url := answers.proxy.url) is not None:
        text = url if isinstance(url, str) else inputs.secret(url, "Proxy URL")
        parsed = proxy.ProxyUrl.parse(text)
        if isinstance(url, str) and parsed.password is not None:
            inputs.notices.append(
                Notice(
                    "proxy-password-typed",
                    "The proxy password is on the command line, where other users of this computer can see"
                    " it. Use url-file in an answers file (--from) instead.",
                )
            )
        inputs.notices.extend(proxy.proxy_notices(parsed))
        yield PlacedFile(PROXY_PATH, proxy.redsocks_conf(parsed), f"proxy {parsed}")
    if entries := answers.proxy.no_proxy:
        yield PlacedFile(NO_PROXY_PATH, proxy.no_proxy(entries), ", ".join(entries))


# network profiles


def _build_profiles(answers: Answers, inputs: Inputs) -> Iterator[profiles.Profile]:
    for wifi in answers.wifi:
        yield _build_wifi(wifi, inputs)
    if (ethernet := answers.ethernet) is not None:
        addressing = replace(_addressing(ethernet), shared=bool(ethernet.shared))
        yield profiles.EthernetProfile(ethernet.id or "ethernet", ethernet.priority, addressing)
    if answers.cellular is not None:
        yield _build_cellular(answers, inputs)
    if answers.hotspot is not None:
        yield _build_hotspot(answers, inputs)


def _build_cellular(answers: Answers, inputs: Inputs) -> profiles.CellularProfile:
    modem = answers.cellular
    assert modem is not None
    if modem.apn is None:
        raise Usage("A cellular profile needs an APN.", hint="Use --cellular APN.")
    return profiles.CellularProfile(
        modem.apn,
        number=modem.number,
        username=modem.username,
        password=_optional_secret(modem.password, "APN password", inputs),
        pin=_optional_secret(modem.pin, "SIM PIN", inputs),
        id=modem.id or "cellular",
        priority=modem.priority,
    )


def _build_hotspot(answers: Answers, inputs: Inputs) -> profiles.HotspotProfile:
    hotspot = answers.hotspot
    assert hotspot is not None
    if hotspot.ssid is None:
        raise Usage("A hotspot needs an SSID.", hint="Use --hotspot SSID.")
    hint = "Use --hotspot-passphrase-file FILE."
    passphrase = _required_secret(
        hotspot.passphrase, "Hotspot passphrase", inputs, hint, profiles.check_passphrase
    )
    return profiles.HotspotProfile(
        hotspot.ssid,
        passphrase,
        id=hotspot.id,
        band=None if hotspot.band is None else profiles.Band(hotspot.band),
        channel=hotspot.channel,
        priority=hotspot.priority,
        addressing=replace(_addressing(hotspot), shared=True),
    )


def _addressing(network: NetworkAnswers) -> profiles.Addressing:
    return profiles.Addressing(
        static=network.static,
        gateway=network.gateway,
        dns=network.dns,
        never_default=bool(network.never_default),
        route_metric=network.route_metric,
    )


def _build_wifi(wifi: WifiAnswers, inputs: Inputs) -> profiles.WifiProfile:
    ssid = wifi.ssid
    if ssid is None:
        ssid = inputs.missing_ssid(Usage("A Wi-Fi network needs an SSID.", hint="Use --ssid."))
    profiles.check_ssid(ssid)
    security = None if wifi.security is None else profiles.Security(wifi.security)
    is_enterprise = security is not None and security.eap is not None
    return profiles.WifiProfile(
        ssid,
        None if is_enterprise else _passphrase(wifi, ssid, security, inputs),
        hidden=bool(wifi.hidden),
        id=wifi.id,
        security=security,
        plain_passphrase=bool(wifi.plain_passphrase),
        enterprise=_build_enterprise(wifi, security, inputs) if is_enterprise else None,
        priority=wifi.priority,
        addressing=_addressing(wifi),
    )


def _passphrase(
    wifi: WifiAnswers, ssid: bytes, security: profiles.Security | None, inputs: Inputs
) -> str | None:
    if security is profiles.Security.OPEN:
        return None

    def check(text: str) -> None:
        if text or security is not None or wifi.passphrase is not None:
            profiles.WifiProfile(ssid, text, security=security)

    if wifi.passphrase is not None:
        return inputs.secret(wifi.passphrase, "Passphrase", check)
    error = Usage(
        "The Wi-Fi network needs a passphrase.",
        hint=f"Use --passphrase-file FILE (- is stdin), ${PASSPHRASE_VARIABLE}, or --security open.",
    )
    question = "Passphrase (empty for an open network)" if security is None else "Passphrase"
    return inputs.missing_secret(question, error, check) or None


def _build_enterprise(
    wifi: WifiAnswers, security: profiles.Security | None, inputs: Inputs
) -> profiles.Enterprise:
    identity = wifi.identity
    if identity is None:
        error = Usage("An enterprise network needs an identity.", hint="Use --identity.")
        identity = inputs.missing_text("Identity (user name)", error)
    password = None
    if security is not profiles.Security.TLS:
        hint = f"Use --passphrase-file FILE (- is stdin) or ${PASSPHRASE_VARIABLE}."
        password = _required_secret(wifi.password, f"Password of {identity}", inputs, hint)
    return profiles.Enterprise(
        identity,
        password=password,
        anonymous_identity=wifi.anonymous_identity,
        ca_cert=_attachment(wifi.ca_cert, inputs),
        client_cert=_attachment(wifi.client_cert, inputs),
        private_key=_attachment(wifi.private_key, inputs),
        private_key_password=_optional_secret(
            wifi.private_key_password, "Passphrase of the private key", inputs
        ),
        domain_suffix_match=wifi.domain_suffix_match,
        phase2=profiles.Phase2(wifi.phase2) if wifi.phase2 else profiles.Phase2.MSCHAPV2,
    )


def _attachment(path: Path | None, inputs: Inputs) -> profiles.Attachment | None:
    return None if path is None else profiles.Attachment(path.name, inputs.read(path))


def _optional_secret(reference: SecretReference | None, question: str, inputs: Inputs) -> str | None:
    return None if reference is None else inputs.secret(reference, question)


def _required_secret(
    reference: SecretReference | None, question: str, inputs: Inputs, hint: str, check: Check | None = None
) -> str:
    if reference is not None:
        return inputs.secret(reference, question, check)
    return inputs.missing_secret(question, Usage(f"{question} is missing.", hint=hint), check)
