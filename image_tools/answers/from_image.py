"""The answers that would configure another image as this one is configured.

A profile becomes answers only where they make the very same profile again; any other stays a file of its own.
Secrets become references to environment variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from image_tools.answers.inputs import PASSPHRASE_VARIABLE
from image_tools.answers.model import (
    Answers,
    CellularAnswers,
    EthernetAnswers,
    HotspotAnswers,
    ProxyAnswers,
    SecretReference,
    WifiAnswers,
)
from image_tools.config.keys import BY_NAME, KeySource
from image_tools.configuration import CONNECTIONS, NO_PROXY_PATH, PROXY_PATH, UNUSED_SUFFIX, read_config
from image_tools.fat import FatFileSystem
from image_tools.profiles import (
    Addressing,
    Attachment,
    Band,
    CellularProfile,
    Enterprise,
    EthernetProfile,
    HotspotProfile,
    Keyfile,
    Phase2,
    Profile,
    Security,
    WifiProfile,
    is_sample,
    read_keyfile,
    ssid_text,
)
from image_tools.proxy import read_no_proxy, read_redsocks
from resin_toolkit.errors import ConfigInvalid, Notice, ResinError

PROXY_VARIABLE = "RESIN_PROXY"
_SECRETS = frozenset({"psk", "password", "pin", "private-key-password"})
_STAND_IN = "a stand-in"
_PIN = "0000"
_TEXTS = {"hostname": "hostname", "country": "country", "ntpServers": "ntp", "dnsServers": "dns_servers"}
_FLAGS = {"persistentLogging": "persistent_logging", "developmentMode": "development_mode"}


@dataclass
class _Found:
    """What the profiles of an image come to."""

    wifi: list[WifiAnswers] = field(default_factory=list)
    ethernet: EthernetAnswers | None = None
    cellular: CellularAnswers | None = None
    hotspot: HotspotAnswers | None = None
    connections: list[Path] = field(default_factory=list)
    secrets: int = 0

    def secret(self) -> SecretReference:
        """A variable of its own for the next secret."""
        self.secrets += 1
        return SecretReference(
            variable=PASSPHRASE_VARIABLE if self.secrets == 1 else f"{PASSPHRASE_VARIABLE}_{self.secrets}"
        )


def answers_of_image(filesystem: FatFileSystem) -> tuple[Answers, list[Notice]]:
    """The answers, and what is not in them. Raises ConfigInvalid where config.json cannot be read."""
    notices: list[Notice] = []
    found = _Found()
    for name, keyfile in _used(filesystem):
        if not _take(found, keyfile, filesystem):
            found.connections.append(Path(name))
            notices.append(
                Notice(
                    "answers-connection",
                    f"The profile {name} cannot be said in answers; get the file with `resin image get IMAGE "
                    f"{CONNECTIONS}/{name}`.",
                )
            )
    named, rest = _config(read_config(filesystem), notices)
    answers = Answers(
        **named,
        config=rest,
        connections=tuple(found.connections),
        wifi=tuple(found.wifi),
        ethernet=found.ethernet,
        cellular=found.cellular,
        hotspot=found.hotspot,
        proxy=_proxy(filesystem),
    )
    return answers, notices


def _proxy(filesystem: FatFileSystem) -> ProxyAnswers | None:
    """The proxy; its URL is a reference where it has a password."""
    url: str | SecretReference | None = None
    entries: tuple[str, ...] = ()
    if filesystem.find(PROXY_PATH) is not None:
        facts = read_redsocks(filesystem.read(PROXY_PATH))
        has_login = "login" in facts or "password" in facts
        url = SecretReference(variable=PROXY_VARIABLE) if has_login else str(facts["url"])
    if filesystem.find(NO_PROXY_PATH) is not None:
        entries = tuple(read_no_proxy(filesystem.read(NO_PROXY_PATH))[0])
    return ProxyAnswers(url=url, no_proxy=entries) if url or entries else None


def _config(config: Mapping[str, object], notices: list[Notice]) -> tuple[dict[str, Any], dict[str, object]]:
    """The keys that have answers of their own, and the others, without those that the cloud wrote."""
    named: dict[str, Any] = {}
    rest: dict[str, object] = {}
    clouds = []
    for name, value in config.items():
        if name in _TEXTS and isinstance(value, str):
            named[_TEXTS[name]] = value
        elif name in _FLAGS and isinstance(value, bool):
            named[_FLAGS[name]] = value
        elif name in BY_NAME and BY_NAME[name].origin is KeySource.CLOUD:
            clouds.append(name)
        else:
            rest[name] = value
    if clouds:
        message = f"Left out, because they belong to one device: {', '.join(clouds)}."
        notices.append(Notice("answers-cloud-keys", message))
    return named, rest


def _used(filesystem: FatFileSystem) -> Iterator[tuple[str, Keyfile]]:
    """The profiles that the device uses, by the names of their files."""
    directory = filesystem.find(CONNECTIONS)
    for entry in filesystem.list(CONNECTIONS) if directory is not None and directory.is_directory else ():
        if entry.is_directory or entry.name.lower().endswith(UNUSED_SUFFIX):
            continue
        data = filesystem.read(entry.path)
        try:
            keyfile = read_keyfile(data, entry.name)
        except ConfigInvalid:
            continue
        if keyfile.type is not None and not is_sample(entry.name, data):
            yield entry.name, keyfile


def _take(found: _Found, keyfile: Keyfile, filesystem: FatFileSystem) -> bool:
    """Add the answers of a profile, if they say all of it."""
    try:
        made = _answered(found, keyfile, filesystem)
    except (ResinError, KeyError, ValueError):
        # A file that it names is missing, or it says what no answer can.
        return False
    if made is None or _without_secrets(made[0].keyfile()) != _without_secrets_of(keyfile):
        return False
    match made[1]:
        case WifiAnswers() as wifi:
            found.wifi.append(wifi)
        case EthernetAnswers() as ethernet:
            found.ethernet = ethernet
        case HotspotAnswers() as hotspot:
            found.hotspot = hotspot
        case CellularAnswers() as cellular:
            found.cellular = cellular
    return True


_Made = tuple[Profile, WifiAnswers | EthernetAnswers | HotspotAnswers | CellularAnswers]


def _answered(found: _Found, keyfile: Keyfile, filesystem: FatFileSystem) -> _Made | None:
    """The profile that a keyfile seems to be, with a stand-in for each secret, and its answers."""
    is_hotspot = keyfile.text("wifi", "mode") == "ap"
    if keyfile.type == "wifi" and keyfile.ssid is not None:
        if not is_hotspot:
            return _wifi(found, keyfile, filesystem)
        return None if found.hotspot is not None else _hotspot(found, keyfile)
    if keyfile.type == "ethernet" and found.ethernet is None:
        return _ethernet(keyfile)
    if keyfile.type == "gsm" and found.cellular is None:
        return _cellular(found, keyfile)
    return None


def _wifi(found: _Found, keyfile: Keyfile, filesystem: FatFileSystem) -> _Made:
    ssid = keyfile.ssid or b""
    security = _security(keyfile)
    enterprise: Enterprise | None = None
    company: dict[str, Any] = {}
    passphrase = secret = None
    plain = False
    if security.eap is not None:
        enterprise, company = _company(found, keyfile, filesystem)
    elif security is not Security.OPEN:
        passphrase, secret = _STAND_IN, found.secret()
        plain = security is Security.WPA_PSK and len(keyfile.text("wifi-security", "psk") or "") < 64
    common = {"id": keyfile.id if keyfile.id != ssid_text(ssid) else None, "priority": _priority(keyfile)}
    addressing = _addressing(keyfile)
    hidden = keyfile.text("wifi", "hidden") == "true"
    profile = WifiProfile(
        ssid,
        passphrase,
        hidden,
        security=security,
        plain_passphrase=plain,
        enterprise=enterprise,
        addressing=addressing,
        **common,  # type: ignore[arg-type]
    )
    answers = WifiAnswers(
        ssid=ssid,
        passphrase=secret,
        hidden=hidden or None,
        security=None if security is Security.WPA_PSK else security.value,
        plain_passphrase=plain or None,
        **company,
        **common,  # type: ignore[arg-type]
        **_said(addressing),
    )
    return profile, answers


def _security(keyfile: Keyfile) -> Security:
    method = keyfile.text("wifi-security", "key-mgmt")
    if method == "wpa-eap":
        return Security((keyfile.text("802-1x", "eap") or "").rstrip(";"))
    return {"wpa-psk": Security.WPA_PSK, "sae": Security.SAE, None: Security.OPEN}[method]


def _company(found: _Found, keyfile: Keyfile, filesystem: FatFileSystem) -> tuple[Enterprise, dict[str, Any]]:
    """A company's network and its answers; the files that it names are read from the image."""

    def text(key: str) -> str | None:
        return keyfile.text("802-1x", key)

    files = {
        name: Path(path.rsplit("/", 1)[-1])
        for name, key in (
            ("ca_cert", "ca-cert"),
            ("client_cert", "client-cert"),
            ("private_key", "private-key"),
        )
        if (path := text(key)) is not None
    }
    secrets = {
        name: found.secret()
        for name, key in (("password", "password"), ("private_key_password", "private-key-password"))
        if text(key) is not None
    }
    said = {
        "identity": text("identity"),
        "anonymous_identity": text("anonymous-identity"),
        "domain_suffix_match": text("domain-suffix-match"),
    }
    inner = text("phase2-auth")
    phase2 = {} if inner in (None, Phase2.MSCHAPV2) else {"phase2": Phase2(inner)}
    attached = {
        name: Attachment(file.name, filesystem.read(f"{CONNECTIONS}/{file}")) for name, file in files.items()
    }
    enterprise = Enterprise(**said, **attached, **dict.fromkeys(secrets, _STAND_IN), **phase2)  # type: ignore[arg-type]
    return enterprise, {**said, **files, **secrets, **{name: value.value for name, value in phase2.items()}}


def _hotspot(found: _Found, keyfile: Keyfile) -> _Made:
    ssid = keyfile.ssid or b""
    band, channel = keyfile.text("wifi", "band"), keyfile.text("wifi", "channel")
    static = _addressing(keyfile)
    said: dict[str, Any] = {"channel": int(channel) if channel else None, "priority": _priority(keyfile)}
    name = keyfile.id if keyfile.id != "hotspot" else None
    shared = Addressing(static.static, shared=True)
    profile = HotspotProfile(
        ssid, _STAND_IN, id=name, band=Band(band) if band else None, addressing=shared, **said
    )
    secret = found.secret()
    answers = HotspotAnswers(ssid=ssid, passphrase=secret, id=name, band=band, static=static.static, **said)
    return profile, answers


def _ethernet(keyfile: Keyfile) -> _Made:
    addressing = _addressing(keyfile)
    name, priority = keyfile.id or "", _priority(keyfile)
    answers = EthernetAnswers(
        id=None if name == "ethernet" else name,
        priority=priority,
        shared=addressing.shared or None,
        **_said(addressing),
    )
    return EthernetProfile(name, priority, addressing), answers


def _cellular(found: _Found, keyfile: Keyfile) -> _Made:
    def text(key: str) -> str | None:
        return keyfile.text("gsm", key)

    said: dict[str, Any] = {
        "number": text("number"),
        "username": text("username"),
        "priority": _priority(keyfile),
    }
    secrets = [key for key in ("password", "pin") if text(key) is not None]
    stand_ins: dict[str, Any] = {key: _PIN if key == "pin" else _STAND_IN for key in secrets}
    apn, name = text("apn") or "", keyfile.id or ""
    profile = CellularProfile(apn, id=name, **said, **stand_ins)
    references: dict[str, Any] = {key: found.secret() for key in secrets}
    answers = CellularAnswers(apn=apn, id=None if name == "cellular" else name, **said, **references)
    return profile, answers


def _addressing(keyfile: Keyfile) -> Addressing:
    """The addresses of a profile, of both families."""
    static: list[str] = []
    gateway: list[str] = []
    dns: list[str] = []
    for family in ("ipv4", "ipv6"):
        number = 1
        while (text := keyfile.text(family, f"address{number}")) is not None:
            address, comma, router = text.partition(",")
            static.append(address)
            gateway += [router] if comma else []
            number += 1
        dns += [server for server in (keyfile.text(family, "dns") or "").split(";") if server]
    metric = keyfile.text("ipv4", "route-metric")
    return Addressing(
        tuple(static),
        tuple(gateway),
        tuple(dns),
        never_default=keyfile.text("ipv4", "never-default") == "true",
        route_metric=int(metric) if metric else None,
        shared=keyfile.text("ipv4", "method") == "shared",
    )


def _said(addressing: Addressing) -> dict[str, Any]:
    return {
        "static": addressing.static,
        "gateway": addressing.gateway,
        "dns": addressing.dns,
        "never_default": addressing.never_default or None,
        "route_metric": addressing.route_metric,
    }


def _priority(keyfile: Keyfile) -> int | None:
    text = keyfile.text("connection", "autoconnect-priority")
    return int(text) if text else None


def _without_secrets(data: bytes) -> dict[str, dict[str, str]]:
    return _without_secrets_of(read_keyfile(data))


def _without_secrets_of(keyfile: Keyfile) -> dict[str, dict[str, str]]:
    return {
        section: {key: "" if key in _SECRETS else value for key, value in keys.items()}
        for section, keys in keyfile.sections.items()
    }
