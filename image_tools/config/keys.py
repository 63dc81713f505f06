"""The table of config.json's keys: what the checker, the help and the list of keys are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from image_tools.config import values
from image_tools.config.ssh_keys import public_key


class Kind(Enum):
    """The JSON type of a key's value; the value is its name for users."""

    STRING = "a text"
    BOOL = "true or false"
    INTEGER = "a whole number"
    STRINGS = "a list of texts"
    OBJECT = "an object"


class Group(Enum):
    """How the keys are grouped for people; the value is the group's heading."""

    USER = "Yours to set"
    FLASHER = "In flasher images only"
    CLOUD = "Written by the cloud, kept as they are"
    OLD = "OS 1.x only"


class Origin(Enum):
    """Who writes a key."""

    USER = "user"
    CLOUD = "cloud"
    OLD = "OS 1.x"


@dataclass(frozen=True)
class Key:
    """One key. In `name` a dot nests: `os.network.connectivity.uri`.

    `check` takes one text (each text of a list or object) and raises BadValue; `normal` gives the form that
    the device reads; `entry` takes the name of an entry of an object. `secret` values are never shown. A key
    with `flasher` counts in flasher images only. `since` is the OS version that first reads the key, empty
    where that is not known.
    """

    name: str
    kind: Kind
    meaning: str
    check: Callable[[str], None] | None = None
    normal: Callable[[str], str] | None = None
    choices: tuple[str, ...] = ()
    origin: Origin = Origin.USER
    secret: bool = False
    flasher: bool = False
    since: str = ""
    entry: Callable[[str], None] | None = None

    @property
    def group(self) -> Group:
        """The group that the key is listed in."""
        if self.origin is Origin.USER:
            return Group.FLASHER if self.flasher else Group.USER
        return Group.CLOUD if self.origin is Origin.CLOUD else Group.OLD

    @property
    def path(self) -> tuple[str, ...]:
        """The names from the outermost object to the value."""
        return tuple(self.name.split("."))


def _upper(text: str) -> str:
    return text.upper()


def _cloud(name: str, kind: Kind, meaning: str, *, secret: bool = False) -> Key:
    return Key(name, kind, meaning, origin=Origin.CLOUD, secret=secret)


def _old(name: str, kind: Kind, meaning: str, *, secret: bool = False) -> Key:
    return Key(name, kind, meaning, origin=Origin.OLD, secret=secret)


_FANS = ("quiet", "cool")
_POWER = ("low", "mid", "high")

KEYS: tuple[Key, ...] = (
    Key("hostname", Kind.STRING, "Host name, and the name on the local network.", values.hostname),
    Key("persistentLogging", Kind.BOOL, "Keep the logs on disk over a reboot."),
    Key("country", Kind.STRING, "Wi-Fi regulatory domain, two letters.", values.country, _upper),
    Key("ntpServers", Kind.STRING, "Time servers, with spaces between them.", values.time_servers),
    Key("dnsServers", Kind.STRING, 'DNS servers, with spaces between; "null" for none.', values.name_servers),
    Key("balenaRootCA", Kind.STRING, "One more trusted CA: PEM in base64.", values.certificate),
    Key("developmentMode", Kind.BOOL, "Development features: open SSH, engine on the network, consoles."),
    Key("os.network.connectivity.uri", Kind.STRING, "URL of the connectivity check.", values.web_address),
    Key(
        "os.network.connectivity.interval",
        Kind.STRING,
        'Seconds between connectivity checks; "0" is off.',
        values.seconds,
    ),
    Key(
        "os.network.connectivity.response",
        Kind.STRING,
        "Answer that the connectivity check expects.",
        values.one_line,
    ),
    Key("os.network.wifi.randomMacAddressScan", Kind.BOOL, "Scan for Wi-Fi with random MAC addresses."),
    Key(
        "os.udevRules",
        Kind.OBJECT,
        "udev rules: name to text, in /etc/udev/rules.d/NAME.rules.",
        entry=values.file_stem,
    ),
    Key(
        "os.sshKeys",
        Kind.STRINGS,
        "OpenSSH public keys that may log in; with them, nobody may without a key.",
        public_key,
        since="2.20",
    ),
    Key("os.fan.profile", Kind.STRING, "Fan profile (Jetson Orin).", values.one_of(*_FANS), choices=_FANS),
    Key("os.power.mode", Kind.STRING, "Power mode (Jetson Orin).", values.one_of(*_POWER), choices=_POWER),
    Key(
        "os.kernel.extraFirmwareVol",
        Kind.STRING,
        "Volume with further firmware for the kernel.",
        values.volume,
    ),
    Key("installer.secureboot", Kind.BOOL, "Turn on secure boot while installing.", flasher=True),
    Key("installer.migrate.force", Kind.BOOL, "Install over the running system.", flasher=True),
    Key(
        "installer.target_devices",
        Kind.STRING,
        "Drives to install to, with spaces between.",
        values.drives,
        flasher=True,
    ),
    _cloud("uuid", Kind.STRING, "The device's identity."),
    _cloud("deviceType", Kind.STRING, "The device type's slug."),
    _cloud("deviceId", Kind.INTEGER, "The device's number."),
    _cloud("deviceApiKey", Kind.STRING, "The device's API key.", secret=True),
    _cloud("deviceApiKeys", Kind.OBJECT, "API keys by host.", secret=True),
    _cloud("apiKey", Kind.STRING, "The key that a new device registers with.", secret=True),
    _cloud("registered_at", Kind.INTEGER, "When the device was registered."),
    _cloud("applicationId", Kind.INTEGER, "The application's number."),
    _cloud("applicationName", Kind.STRING, "The application's name."),
    _cloud("userId", Kind.INTEGER, "The owner's number."),
    _cloud("username", Kind.STRING, "The owner's name."),
    _cloud("apiEndpoint", Kind.STRING, "URL of the API."),
    _cloud("deltaEndpoint", Kind.STRING, "URL of the delta service."),
    _cloud("vpnEndpoint", Kind.STRING, "Host of the VPN."),
    _cloud("vpnPort", Kind.INTEGER, "Port of the VPN."),
    _cloud("registryEndpoint", Kind.STRING, "Host of the registry."),
    _cloud("logsEndpoint", Kind.STRING, "URL of the log service."),
    _cloud("listenPort", Kind.INTEGER, "Port of the supervisor."),
    _cloud("appUpdatePollInterval", Kind.INTEGER, "Milliseconds between checks for updates."),
    _cloud("mixpanelToken", Kind.STRING, "Token of the event service.", secret=True),
    _cloud("pubnubPublishKey", Kind.STRING, "Key of the old log service.", secret=True),
    _cloud("pubnubSubscribeKey", Kind.STRING, "Key of the old log service.", secret=True),
    _old("wifiSsid", Kind.STRING, "Name of the Wi-Fi network."),
    _old("wifiKey", Kind.STRING, "Passphrase of the Wi-Fi network.", secret=True),
    _old("connectivity", Kind.STRING, "The program that manages the network."),
    _old("files", Kind.OBJECT, "Files to write: path to text.", secret=True),
    _old("network", Kind.STRING, "Kind of the network: ethernet or wifi.", secret=True),
)

BY_NAME: dict[str, Key] = {key.name: key for key in KEYS}

GROUPS: frozenset[str] = frozenset(
    ".".join(key.path[:depth]) for key in KEYS for depth in range(1, len(key.path))
)
"""Objects that only hold further keys: `os`, `os.network`."""


def key_names() -> tuple[str, ...]:
    """The names of all keys, for completion."""
    return tuple(BY_NAME)


_TELLING = 7
"""A last name shorter than this (`uri`, `mode`) does not tell which key was meant."""


def holder_of(name: str) -> Key | None:
    """The key of kind object that `name` is an entry of: `os.udevRules` for `os.udevRules.10-usb`."""
    for key in KEYS:
        if key.kind is Kind.OBJECT and name.startswith(key.name + "."):
            return key
    return None


def nearest(name: str) -> str | None:
    """The known key that `name` may have been meant to be."""
    import difflib

    keys = [key for key in KEYS if key.origin is not Origin.OLD]
    known = {_squashed(key.path[-1]): key.name for key in reversed(keys) if len(key.path[-1]) >= _TELLING}
    known.update({_squashed(key.name): key.name for key in keys})
    wanted = _squashed(name)
    last = _squashed(name.rpartition(".")[2])
    if wanted in known or last in known:
        return known.get(wanted) or known[last]
    close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.78)
    return known[close[0]] if close else None


def _squashed(name: str) -> str:
    return name.replace("_", "").replace("-", "").replace(".", "").casefold()
