"""The known keys of config.json, for checks, completion, help and the reference documentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from image_tools.config import values
from image_tools.config.ssh_keys import public_key


class ValueType(Enum):
    """The JSON type of a key's value; the value is its name for users."""

    STRING = "a string"
    BOOL = "true or false"
    INTEGER = "a whole number"
    STRINGS = "a list of strings"
    OBJECT = "an object"


class Group(Enum):
    """The groups in which keys are listed; the value is the heading."""

    USER = "Configurable"
    FLASHER = "Flasher images only"
    CLOUD = "Written by the cloud, kept unchanged"
    OLD = "OS 1.x only"


class KeySource(Enum):
    """Who writes a key."""

    USER = "user"
    CLOUD = "cloud"
    OLD = "OS 1.x"


@dataclass(frozen=True)
class Key:
    """A known key. Dots in `name` separate nested keys: `os.network.connectivity.uri`.

    `check` is called with each string of the value and raises BadValue; `normalize` returns a string in the
    form that the device reads; `check_entry` is called with the name of each entry of an object. `secret`
    values are never shown. `flasher` keys only apply to flasher images. `since` is the OS version that first
    reads the key, empty if unknown.
    """

    name: str
    value_type: ValueType
    meaning: str
    check: Callable[[str], None] | None = None
    normalize: Callable[[str], str] | None = None
    choices: tuple[str, ...] = ()
    origin: KeySource = KeySource.USER
    secret: bool = False
    flasher: bool = False
    since: str = ""
    check_entry: Callable[[str], None] | None = None

    @property
    def group(self) -> Group:
        """The group in which the key is listed."""
        if self.origin is KeySource.USER:
            return Group.FLASHER if self.flasher else Group.USER
        return Group.CLOUD if self.origin is KeySource.CLOUD else Group.OLD

    @property
    def path(self) -> tuple[str, ...]:
        """The names from the outermost object to the value."""
        return tuple(self.name.split("."))


def _upper(text: str) -> str:
    return text.upper()


def _cloud(name: str, value_type: ValueType, meaning: str, *, secret: bool = False) -> Key:
    return Key(name, value_type, meaning, origin=KeySource.CLOUD, secret=secret)


def _old(name: str, value_type: ValueType, meaning: str, *, secret: bool = False) -> Key:
    return Key(name, value_type, meaning, origin=KeySource.OLD, secret=secret)


_FANS = ("quiet", "cool")
_POWER = ("low", "mid", "high")

KEYS: tuple[Key, ...] = (
    Key("hostname", ValueType.STRING, "Host name, also used for mDNS.", values.hostname),
    Key("persistentLogging", ValueType.BOOL, "Keep logs across reboots."),
    Key("country", ValueType.STRING, "Wi-Fi regulatory domain, two letters.", values.country, _upper),
    Key("ntpServers", ValueType.STRING, "NTP servers, space-separated.", values.time_servers),
    Key(
        "dnsServers", ValueType.STRING, 'DNS servers, space-separated; "null" for none.', values.name_servers
    ),
    Key("balenaRootCA", ValueType.STRING, "Additional trusted CA: base64-encoded PEM.", values.certificate),
    Key(
        "developmentMode",
        ValueType.BOOL,
        "Development mode: SSH without a key, engine on the network, consoles.",
    ),
    Key(
        "os.network.connectivity.uri", ValueType.STRING, "URL of the connectivity check.", values.web_address
    ),
    Key(
        "os.network.connectivity.interval",
        ValueType.STRING,
        'Seconds between connectivity checks; "0" is off.',
        values.seconds,
    ),
    Key(
        "os.network.connectivity.response",
        ValueType.STRING,
        "Expected response of the connectivity check.",
        values.one_line,
    ),
    Key("os.network.wifi.randomMacAddressScan", ValueType.BOOL, "Scan for Wi-Fi with random MAC addresses."),
    Key(
        "os.udevRules",
        ValueType.OBJECT,
        "udev rules by name, written to /etc/udev/rules.d/NAME.rules.",
        check_entry=values.file_stem,
    ),
    Key(
        "os.sshKeys",
        ValueType.STRINGS,
        "Authorized OpenSSH public keys; once set, every login requires a key.",
        public_key,
        since="2.20",
    ),
    Key(
        "os.fan.profile", ValueType.STRING, "Fan profile (Jetson Orin).", values.one_of(*_FANS), choices=_FANS
    ),
    Key(
        "os.power.mode", ValueType.STRING, "Power mode (Jetson Orin).", values.one_of(*_POWER), choices=_POWER
    ),
    Key(
        "os.kernel.extraFirmwareVol",
        ValueType.STRING,
        "Volume with additional kernel firmware.",
        values.volume,
    ),
    Key("installer.secureboot", ValueType.BOOL, "Enable secure boot during installation.", flasher=True),
    Key("installer.migrate.force", ValueType.BOOL, "Install over the running system.", flasher=True),
    Key(
        "installer.target_devices",
        ValueType.STRING,
        "Drives to install to, space-separated.",
        values.drives,
        flasher=True,
    ),
    _cloud("uuid", ValueType.STRING, "UUID of the device."),
    _cloud("deviceType", ValueType.STRING, "Slug of the device type."),
    _cloud("deviceId", ValueType.INTEGER, "Numeric ID of the device."),
    _cloud("deviceApiKey", ValueType.STRING, "API key of the device.", secret=True),
    _cloud("deviceApiKeys", ValueType.OBJECT, "API keys by host.", secret=True),
    _cloud("apiKey", ValueType.STRING, "Provisioning key, with which a new device registers.", secret=True),
    _cloud("registered_at", ValueType.INTEGER, "Registration time."),
    _cloud("applicationId", ValueType.INTEGER, "Numeric ID of the application."),
    _cloud("applicationName", ValueType.STRING, "Name of the application."),
    _cloud("userId", ValueType.INTEGER, "Numeric ID of the owner."),
    _cloud("username", ValueType.STRING, "User name of the owner."),
    _cloud("apiEndpoint", ValueType.STRING, "URL of the API."),
    _cloud("deltaEndpoint", ValueType.STRING, "URL of the delta service."),
    _cloud("vpnEndpoint", ValueType.STRING, "Host of the VPN."),
    _cloud("vpnPort", ValueType.INTEGER, "Port of the VPN."),
    _cloud("registryEndpoint", ValueType.STRING, "Host of the registry."),
    _cloud("logsEndpoint", ValueType.STRING, "URL of the log service."),
    _cloud("listenPort", ValueType.INTEGER, "Port of the supervisor."),
    _cloud("appUpdatePollInterval", ValueType.INTEGER, "Milliseconds between checks for updates."),
    _cloud("mixpanelToken", ValueType.STRING, "Mixpanel token.", secret=True),
    _cloud("pubnubPublishKey", ValueType.STRING, "PubNub key of the former log service.", secret=True),
    _cloud("pubnubSubscribeKey", ValueType.STRING, "PubNub key of the former log service.", secret=True),
    _old("wifiSsid", ValueType.STRING, "Name of the Wi-Fi network."),
    _old("wifiKey", ValueType.STRING, "Passphrase of the Wi-Fi network.", secret=True),
    _old("connectivity", ValueType.STRING, "Network manager of the device."),
    _old("files", ValueType.OBJECT, "Files to write: path to content.", secret=True),
    _old("network", ValueType.STRING, "Type of the network: ethernet or wifi.", secret=True),
)

BY_NAME: dict[str, Key] = {key.name: key for key in KEYS}

GROUPS: frozenset[str] = frozenset(
    ".".join(key.path[:depth]) for key in KEYS for depth in range(1, len(key.path))
)
"""Objects that only contain further keys, such as `os` and `os.network`."""


def key_names() -> tuple[str, ...]:
    """The names of all keys, for completion."""
    return tuple(BY_NAME)


_DISTINCTIVE_LENGTH = 7
"""The last part of a name (`uri`, `mode`) identifies a key only if it is at least this long."""


def object_key_of(name: str) -> Key | None:
    """Return the object key that has `name` as an entry: `os.udevRules` for `os.udevRules.10-usb`."""
    for key in KEYS:
        if key.value_type is ValueType.OBJECT and name.startswith(key.name + "."):
            return key
    return None


def nearest_key(name: str) -> str | None:
    """Return the known key most similar to `name`, to suggest it."""
    import difflib

    keys = [key for key in KEYS if key.origin is not KeySource.OLD]
    known = {
        _normalized(key.path[-1]): key.name
        for key in reversed(keys)
        if len(key.path[-1]) >= _DISTINCTIVE_LENGTH
    }
    known.update({_normalized(key.name): key.name for key in keys})
    normalized = _normalized(name)
    last = _normalized(name.rpartition(".")[2])
    if normalized in known or last in known:
        return known.get(normalized) or known[last]
    close = difflib.get_close_matches(normalized, known, n=1, cutoff=0.78)
    return known[close[0]] if close else None


def _normalized(name: str) -> str:
    return name.replace("_", "").replace("-", "").replace(".", "").casefold()
