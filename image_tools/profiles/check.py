"""Whether a ready keyfile can work on a device: refuses what cannot, tells of what is dubious."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NoReturn

from image_tools.profiles.keyfile import Keyfile, read_keyfile
from image_tools.profiles.wifi import check_passphrase, check_ssid
from resin_toolkit.errors import BadValue, Notice

KINDS = frozenset(
    """
    6lowpan 802-11-olpc-mesh adsl bluetooth bond bond-slave bridge bridge-slave cdma dummy ethernet generic
    gsm hsr infiniband ip-tunnel loopback macsec macvlan olpc-mesh ovs-bridge ovs-dpdk ovs-interface ovs-patch
    ovs-port pppoe team team-slave tun veth vlan vpn vrf vxlan wifi wifi-p2p wimax wireguard wpan
    """.split()  # noqa: SIM905 - one name a line would be forty lines
)
"""Types of connection that NetworkManager knows (nm-settings, connection.type)."""

_MEANT = {"wi": "wifi", "wlan": "wifi", "lan": "ethernet", "eth": "ethernet", "cell": "gsm", "lte": "gsm"}
_FORBIDDEN = re.compile(r'[\x00-\x1f"*/:<>?\\|]')
_SKIPPED = re.compile(r"^\.|~$|\.(ignore|swp|swpx|pem|der|[A-Za-z0-9]{6})$")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_NO_SECRET_STORE = "The device has no desktop that could be asked."


def check_connection(name: str, data: bytes) -> list[Notice]:
    """What is dubious in the keyfile `data`, to be written as `name` into `system-connections/`.

    Raises ConfigInvalid for what is no keyfile, and BadValue for a profile that can never work.
    """
    notices = list(_name_notices(name))
    keyfile = read_keyfile(data, name)
    notices.extend(keyfile.notices)
    notices.extend(_connection_notices(keyfile))
    if keyfile.type == "wifi":
        notices.extend(_wifi_notices(keyfile))
    if keyfile.type == "vpn":
        message = f"{name} is a VPN that needs a plugin, and the device has none; WireGuard needs none."
        notices.append(Notice("profile-vpn", message))
    return notices


def _name_notices(name: str) -> Iterator[Notice]:
    if (
        not name
        or _FORBIDDEN.search(name)
        or name.endswith((" ", "."))
        or len(name.encode("utf-16-le")) > 510
    ):
        raise BadValue(
            f'"{name}" cannot be the name of a file on FAT.',
            hint='Rename it: no control characters, none of "*/:<>?\\|, no space or full stop at the end.',
            name=name,
        )
    if _SKIPPED.search(name):
        yield Notice("profile-skipped", f'The device passes over files named like "{name}".')


def _connection_notices(keyfile: Keyfile) -> Iterator[Notice]:
    name = keyfile.name
    if "connection" not in keyfile.sections:
        _refuse(keyfile, "has no [connection] section", "Begin it with [connection], id=… and type=….")
    if not keyfile.id:
        _refuse(keyfile, "has no id", "Add id=NAME to [connection].")
    kind = keyfile.type
    if kind is None:
        _refuse(keyfile, "has no type", "Add type=wifi, or what it is, to [connection].")
    if kind not in KINDS:
        _refuse(keyfile, f'is of the type "{kind}", which NetworkManager does not have', _meant(kind))
    if kind == "wifi" and "wifi" not in keyfile.sections:
        _refuse(keyfile, "is of the type wifi and has no [wifi] section", "Add [wifi] with ssid=….")
    uuid = keyfile.uuid
    if uuid is not None and not _UUID.fullmatch(uuid):
        yield Notice("profile-uuid", f"{name} has a uuid that is none; remove the line, or run `uuidgen`.")
    if keyfile.text("connection", "permissions"):
        yield Notice("profile-permissions", f"{name} is for a user of the workstation (permissions).")
    if keyfile.text("connection", "autoconnect") in ("false", "0"):
        yield Notice("profile-autoconnect", f"{name} is not connected by itself (autoconnect=false).")
    interface = keyfile.text("connection", "interface-name")
    if interface and kind in ("wifi", "ethernet"):
        yield Notice("profile-interface", f"{name} is for an interface named {interface} only.")
    address = keyfile.text(kind or "", "mac-address")
    if address:
        yield Notice("profile-mac-address", f"{name} is for the adapter {address} only (mac-address).")


def _wifi_notices(keyfile: Keyfile) -> Iterator[Notice]:
    ssid = keyfile.ssid
    if ssid is None:
        _refuse(keyfile, "has no ssid", "Add ssid=NAME to [wifi].")
    _checked(keyfile, lambda: check_ssid(ssid))
    if "wifi-security" not in keyfile.sections:
        if keyfile.text("wifi", "security"):
            yield Notice("profile-no-security", f"{keyfile.name} names a [wifi-security] that is not there.")
        return
    method = keyfile.text("wifi-security", "key-mgmt")
    if not method:
        _refuse(keyfile, "has [wifi-security] without key-mgmt", "Add key-mgmt=wpa-psk; remove it if open.")
    if method in ("wpa-psk", "sae"):
        yield from _psk_notices(keyfile, method)
    elif method in ("wpa-eap", "wpa-eap-suite-b-192"):
        if "802-1x" not in keyfile.sections:
            _refuse(keyfile, f"has key-mgmt={method} and no [802-1x] section", "Add it, with eap=….")
        _refuse_asked_for(keyfile, "802-1x", "password")
    elif method not in ("none", "ieee8021x", "owe"):
        _refuse(keyfile, f'has key-mgmt="{method}", which there is not', "Use wpa-psk, sae, wpa-eap or owe.")


def _psk_notices(keyfile: Keyfile, method: str) -> Iterator[Notice]:
    _refuse_asked_for(keyfile, "wifi-security", "psk")
    psk = keyfile.text("wifi-security", "psk")
    if not psk:
        _refuse(keyfile, "has no psk", f"Add psk=… to [wifi-security]. {_NO_SECRET_STORE}")
    if method == "wpa-psk":
        _checked(keyfile, lambda: check_passphrase(psk))
    if psk == "super_secret_wifi_password":
        yield Notice("profile-sample", f"{keyfile.name} still has the passphrase of the sample.")


def _refuse_asked_for(keyfile: Keyfile, section: str, secret: str) -> None:
    """A secret with flags (NMSettingSecretFlags) is kept by the desktop that made the profile, not in it."""
    flags = keyfile.text(section, f"{secret}-flags")
    if flags not in (None, "", "0", "4") and not keyfile.text(section, secret):
        hint = f"Remove {secret}-flags and add {secret}=…. {_NO_SECRET_STORE}"
        _refuse(keyfile, f"leaves its {secret} to the desktop ({secret}-flags={flags})", hint)


def _checked(keyfile: Keyfile, check: Callable[[], None]) -> None:
    try:
        check()
    except BadValue as error:
        raise BadValue(f"{keyfile.name}: {error.message}", hint=error.hint) from None


def _refuse(keyfile: Keyfile, reason: str, hint: str) -> NoReturn:
    raise BadValue(f"{keyfile.name} {reason}.", hint=hint)


def _meant(kind: str) -> str:
    import difflib

    word = next((word for start, word in _MEANT.items() if kind.lower().startswith(start)), None)
    if word is not None:
        return f"Did you mean {word}?"
    near = difflib.get_close_matches(kind.lower(), KINDS, n=1)
    return f"Did you mean {near[0]}?" if near else "Wi-Fi is wifi, a cable is ethernet, a modem is gsm."
