"""Read the configuration of an image back as answers, so that another image can be configured the same way.

A profile is converted only if its answers reproduce exactly the same keyfile; otherwise it stays a connection
file. Secrets become references to environment variables.
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
from image_tools.configuration import NO_PROXY_PATH, PROXY_PATH, UNUSED_SUFFIX, read_config
from image_tools.connection_files import CONNECTIONS, LARGEST_PROFILE, connection_files
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
_PLACEHOLDER = "placeholder"
_PLACEHOLDER_PIN = "0000"
_TEXT_ANSWERS = {
    "hostname": "hostname",
    "country": "country",
    "ntpServers": "ntp",
    "dnsServers": "dns_servers",
}
_FLAG_ANSWERS = {"persistentLogging": "persistent_logging", "developmentMode": "development_mode"}


@dataclass
class _ProfileAnswers:
    """The answers collected from the profiles of an image."""

    wifi: list[WifiAnswers] = field(default_factory=list)
    ethernet: EthernetAnswers | None = None
    cellular: CellularAnswers | None = None
    hotspot: HotspotAnswers | None = None
    connections: list[Path] = field(default_factory=list)
    secrets: int = 0

    def new_secret(self) -> SecretReference:
        """Return a reference to a variable that no other secret uses."""
        self.secrets += 1
        return SecretReference(
            variable=PASSPHRASE_VARIABLE if self.secrets == 1 else f"{PASSPHRASE_VARIABLE}_{self.secrets}"
        )


def answers_from_image(filesystem: FatFileSystem) -> tuple[Answers, list[Notice]]:
    """Return the answers, and notices about what they leave out. Raises ConfigInvalid."""
    notices: list[Notice] = []
    found = _ProfileAnswers()
    for name, keyfile in _used_profiles(filesystem):
        if not _add_profile(found, keyfile, filesystem):
            found.connections.append(Path(name))
            notices.append(
                Notice(
                    "answers-connection",
                    f"The network profile {name} has settings that an answers file cannot express."
                    f" Copy the file with `resin image get IMAGE {CONNECTIONS}/{name}`.",
                )
            )
    own_answers, other_keys = _split_config(read_config(filesystem), notices)
    answers = Answers(
        **own_answers,
        config=other_keys,
        connections=tuple(found.connections),
        wifi=tuple(found.wifi),
        ethernet=found.ethernet,
        cellular=found.cellular,
        hotspot=found.hotspot,
        proxy=_proxy(filesystem),
    )
    return answers, notices


def _proxy(filesystem: FatFileSystem) -> ProxyAnswers | None:
    """Return the proxy settings; a URL with credentials becomes a reference."""
    url: str | SecretReference | None = None
    entries: tuple[str, ...] = ()
    if filesystem.find(PROXY_PATH) is not None:
        facts = read_redsocks(filesystem.read(PROXY_PATH))
        has_login = "login" in facts or "password" in facts
        url = SecretReference(variable=PROXY_VARIABLE) if has_login else str(facts["url"])
    if filesystem.find(NO_PROXY_PATH) is not None:
        entries = tuple(read_no_proxy(filesystem.read(NO_PROXY_PATH))[0])
    return ProxyAnswers(url=url, no_proxy=entries) if url or entries else None


def _split_config(
    config: Mapping[str, object], notices: list[Notice]
) -> tuple[dict[str, Any], dict[str, object]]:
    """Split config.json into keys with their own answer and the others; drop those that the cloud wrote."""
    own_answers: dict[str, Any] = {}
    other_keys: dict[str, object] = {}
    cloud_keys = []
    for name, value in config.items():
        if name in _TEXT_ANSWERS and isinstance(value, str):
            own_answers[_TEXT_ANSWERS[name]] = value
        elif name in _FLAG_ANSWERS and isinstance(value, bool):
            own_answers[_FLAG_ANSWERS[name]] = value
        elif name in BY_NAME and BY_NAME[name].origin is KeySource.CLOUD:
            cloud_keys.append(name)
        else:
            other_keys[name] = value
    if cloud_keys:
        message = f"Left out device-specific keys of config.json: {', '.join(cloud_keys)}."
        notices.append(Notice("answers-cloud-keys", message))
    return own_answers, other_keys


def _used_profiles(filesystem: FatFileSystem) -> Iterator[tuple[str, Keyfile]]:
    """Yield the profiles that the device uses, each with its file name."""
    for entry in connection_files(filesystem):
        if entry.name.lower().endswith(UNUSED_SUFFIX) or entry.size > LARGEST_PROFILE:
            continue
        data = filesystem.read(entry.path)
        try:
            keyfile = read_keyfile(data, entry.name)
        except ConfigInvalid:
            continue
        if keyfile.type is not None and not is_sample(entry.name, data):
            yield entry.name, keyfile


def _add_profile(found: _ProfileAnswers, keyfile: Keyfile, filesystem: FatFileSystem) -> bool:
    """Add the answers of a profile, and return whether they reproduce it completely."""
    try:
        converted = _convert(found, keyfile, filesystem)
    except (ResinError, KeyError, ValueError):
        # A file that it names is missing, or it has a setting without an answer.
        return False
    if converted is None or _without_secrets(converted[0].keyfile()) != _without_secrets_of(keyfile):
        return False
    match converted[1]:
        case WifiAnswers() as wifi:
            found.wifi.append(wifi)
        case EthernetAnswers() as ethernet:
            found.ethernet = ethernet
        case HotspotAnswers() as hotspot:
            found.hotspot = hotspot
        case CellularAnswers() as cellular:
            found.cellular = cellular
    return True


_Converted = tuple[Profile, WifiAnswers | EthernetAnswers | HotspotAnswers | CellularAnswers]


def _convert(found: _ProfileAnswers, keyfile: Keyfile, filesystem: FatFileSystem) -> _Converted | None:
    """Return a profile with placeholder secrets that should equal the keyfile, and its answers."""
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


def _wifi(found: _ProfileAnswers, keyfile: Keyfile, filesystem: FatFileSystem) -> _Converted:
    ssid = keyfile.ssid or b""
    security = _security(keyfile)
    enterprise: Enterprise | None = None
    enterprise_answers: dict[str, Any] = {}
    passphrase = secret = None
    plain = False
    if security.eap is not None:
        enterprise, enterprise_answers = _enterprise(found, keyfile, filesystem)
    elif security is not Security.OPEN:
        passphrase, secret = _PLACEHOLDER, found.new_secret()
        plain = security is Security.WPA_PSK and len(keyfile.text("wifi-security", "psk") or "") < 64
    shared_fields = {
        "id": keyfile.id if keyfile.id != ssid_text(ssid) else None,
        "priority": _priority(keyfile),
    }
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
        **shared_fields,  # type: ignore[arg-type]
    )
    answers = WifiAnswers(
        ssid=ssid,
        passphrase=secret,
        hidden=hidden or None,
        security=None if security is Security.WPA_PSK else security.value,
        plain_passphrase=plain or None,
        **enterprise_answers,
        **shared_fields,  # type: ignore[arg-type]
        **_address_answers(addressing),
    )
    return profile, answers


def _security(keyfile: Keyfile) -> Security:
    method = keyfile.text("wifi-security", "key-mgmt")
    if method == "wpa-eap":
        return Security((keyfile.text("802-1x", "eap") or "").rstrip(";"))
    return {"wpa-psk": Security.WPA_PSK, "sae": Security.SAE, None: Security.OPEN}[method]


def _enterprise(
    found: _ProfileAnswers, keyfile: Keyfile, filesystem: FatFileSystem
) -> tuple[Enterprise, dict[str, Any]]:
    """Return the 802.1X settings and their answers; certificates and keys are read from the image."""

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
        name: found.new_secret()
        for name, key in (("password", "password"), ("private_key_password", "private-key-password"))
        if text(key) is not None
    }
    values = {
        "identity": text("identity"),
        "anonymous_identity": text("anonymous-identity"),
        "domain_suffix_match": text("domain-suffix-match"),
    }
    inner_method = text("phase2-auth")
    phase2 = {} if inner_method in (None, Phase2.MSCHAPV2) else {"phase2": Phase2(inner_method)}
    attachments = {
        name: Attachment(file.name, filesystem.read(f"{CONNECTIONS}/{file}")) for name, file in files.items()
    }
    enterprise = Enterprise(**values, **attachments, **dict.fromkeys(secrets, _PLACEHOLDER), **phase2)  # type: ignore[arg-type]
    return enterprise, {**values, **files, **secrets, **{name: value.value for name, value in phase2.items()}}


def _hotspot(found: _ProfileAnswers, keyfile: Keyfile) -> _Converted:
    ssid = keyfile.ssid or b""
    band, channel = keyfile.text("wifi", "band"), keyfile.text("wifi", "channel")
    static = _addressing(keyfile)
    values: dict[str, Any] = {"channel": int(channel) if channel else None, "priority": _priority(keyfile)}
    name = keyfile.id if keyfile.id != "hotspot" else None
    shared = Addressing(static.static, shared=True)
    profile = HotspotProfile(
        ssid, _PLACEHOLDER, id=name, band=Band(band) if band else None, addressing=shared, **values
    )
    secret = found.new_secret()
    answers = HotspotAnswers(ssid=ssid, passphrase=secret, id=name, band=band, static=static.static, **values)
    return profile, answers


def _ethernet(keyfile: Keyfile) -> _Converted:
    addressing = _addressing(keyfile)
    name, priority = keyfile.id or "", _priority(keyfile)
    answers = EthernetAnswers(
        id=None if name == "ethernet" else name,
        priority=priority,
        shared=addressing.shared or None,
        **_address_answers(addressing),
    )
    return EthernetProfile(name, priority, addressing), answers


def _cellular(found: _ProfileAnswers, keyfile: Keyfile) -> _Converted:
    def text(key: str) -> str | None:
        return keyfile.text("gsm", key)

    values: dict[str, Any] = {
        "number": text("number"),
        "username": text("username"),
        "priority": _priority(keyfile),
    }
    secrets = [key for key in ("password", "pin") if text(key) is not None]
    placeholders: dict[str, Any] = {
        key: _PLACEHOLDER_PIN if key == "pin" else _PLACEHOLDER for key in secrets
    }
    apn, name = text("apn") or "", keyfile.id or ""
    profile = CellularProfile(apn, id=name, **values, **placeholders)
    references: dict[str, Any] = {key: found.new_secret() for key in secrets}
    answers = CellularAnswers(apn=apn, id=None if name == "cellular" else name, **values, **references)
    return profile, answers


def _addressing(keyfile: Keyfile) -> Addressing:
    """Return the IPv4 and IPv6 settings of a profile."""
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
    route_metric = keyfile.text("ipv4", "route-metric")
    return Addressing(
        tuple(static),
        tuple(gateway),
        tuple(dns),
        never_default=keyfile.text("ipv4", "never-default") == "true",
        route_metric=int(route_metric) if route_metric else None,
        shared=keyfile.text("ipv4", "method") == "shared",
    )


def _address_answers(addressing: Addressing) -> dict[str, Any]:
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
