"""The linter's rules for [connection], and for cellular, VLAN, WireGuard and Bluetooth connections."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from image_tools.lint.findings import Finding
from image_tools.lint.profiles.rules import ASKED_FOR, LintedProfile
from image_tools.profiles import settings, values

KINDS = frozenset(
    """
    6lowpan 802-11-olpc-mesh adsl bluetooth bond bond-slave bridge bridge-slave cdma dummy ethernet generic
    geneve gsm hsr infiniband ip-tunnel ipvlan loopback macsec macvlan olpc-mesh ovs-bridge ovs-dpdk
    ovs-interface ovs-patch ovs-port pppoe team team-slave tun veth vlan vpn vrf vxlan wifi wifi-p2p wimax
    wireguard wpan
    """.split()  # noqa: SIM905 - one name a line would be forty lines
)
"""Types of connection that NetworkManager knows (nm-settings, connection.type)."""

_MEANT = {"wi": "wifi", "wlan": "wifi", "lan": "ethernet", "eth": "ethernet", "cell": "gsm", "lte": "gsm"}
_NEEDS_SECTION = ("wifi", "vlan", "wireguard", "bluetooth")
_NAMED = ("bond", "bridge", "dummy", "team", "tun", "vrf", "wireguard")
"""Virtual interfaces, which need the name that they are to have."""
_USUAL_INTERFACE = r"(?a)(wlan|eth|wwan|usb)\d{1,2}"
_INTERFACE = r"[^\s/:%\x00-\x1f]{1,15}"
_APN = r"(?a)[A-Za-z0-9._-]{1,64}"
_PEER = "wireguard-peer."


def connection_findings(profile: LintedProfile) -> Iterator[Finding]:
    """Whether the profile is one, and one that a device alone can use."""
    line = profile.line("connection")
    if line is None:
        remedy = "Begin it with [connection], id=… and type=…."
        yield profile.error("profile-no-connection", None, "it has no [connection] section", remedy)
        return
    if not profile.text("connection", "id"):
        yield profile.error("profile-no-id", line, "it has no id", "Add id=NAME to [connection].")
    yield from _uuid_findings(profile)
    yield from _type_findings(profile)
    yield from _use_findings(profile)
    yield from _interface_findings(profile)
    rule = _RULES.get(profile.type)
    if rule is not None:
        yield from rule(profile)


def _uuid_findings(profile: LintedProfile) -> Iterator[Finding]:
    uuid, line = profile.text("connection", "uuid"), profile.line("connection", "uuid")
    if not uuid:
        reason = "it has no uuid; the device makes one up from the file's name"
        yield profile.warning("profile-no-uuid", line, reason, "Add uuid=…, as `uuidgen` prints one.")
    elif not values.is_uuid(uuid):
        reason = "it has a uuid that is none"
        yield profile.error("profile-uuid", line, reason, "Remove the line, or run `uuidgen`.")


def _type_findings(profile: LintedProfile) -> Iterator[Finding]:
    kind, line = profile.type, profile.line("connection", "type")
    if not kind:
        remedy = "Add type=wifi, or what it is, to [connection]."
        yield profile.error("profile-no-type", line, "it has no type", remedy)
    elif kind not in KINDS:
        reason = f'it is of the type "{kind[:32]}", which NetworkManager does not have'
        yield profile.error("profile-type", line, reason, _meant(kind))
    elif kind == "vpn":
        reason = "it is a VPN that needs a plugin, and the device has none"
        yield profile.warning("profile-vpn", line, reason, "Use WireGuard, which needs none.")
    elif kind in _NEEDS_SECTION and kind not in profile.sections:
        reason = f"it is of the type {kind} and has no [{kind}] section"
        example = " with ssid=…" if kind == "wifi" else ""
        yield profile.error("profile-no-section", line, reason, f"Add [{kind}]{example}.")


def _use_findings(profile: LintedProfile) -> Iterator[Finding]:
    if profile.text("connection", "permissions"):
        line = profile.line("connection", "permissions")
        reason = "it is for a user of the workstation (permissions)"
        yield profile.warning("profile-permissions", line, reason, "Remove the line.")
    if profile.text("connection", "autoconnect").strip() in ("false", "0"):
        line = profile.line("connection", "autoconnect")
        reason = "it is not connected by itself (autoconnect=false)"
        yield profile.warning("profile-autoconnect", line, reason, "Remove the line, if it should be.")
    address = profile.text(profile.type, "mac-address")
    if address and profile.type in ("wifi", "ethernet"):
        line = profile.line(profile.type, "mac-address")
        reason = "it is for one adapter only (mac-address)"
        yield profile.warning(
            "profile-mac-address", line, reason, "Remove the line, unless it is the board's."
        )


def _interface_findings(profile: LintedProfile) -> Iterator[Finding]:
    name, line = profile.text("connection", "interface-name"), profile.line("connection", "interface-name")
    if not name:
        if profile.type in _NAMED:
            reason = f"a {profile.type} needs the name that its interface is to have"
            remedy = "Add interface-name=… to [connection]."
            yield profile.error("profile-interface-name", line, reason, remedy)
    elif name != "*" and (not re.fullmatch(_INTERFACE, name) or name in (".", "..", "all", "default")):
        reason = "no interface can have the name in interface-name"
        remedy = "A name has 15 characters at the most, no space, no slash, no colon and no percent sign."
        yield profile.error("profile-interface-name", line, reason, remedy)
    elif profile.type in ("wifi", "ethernet") and not re.fullmatch(_USUAL_INTERFACE, name):
        reason = f"it is for an interface named {name} only"
        remedy = "Remove the line, unless the board has it; most have wlan0 and eth0."
        yield profile.warning("profile-interface", line, reason, remedy)


def _gsm_findings(profile: LintedProfile) -> Iterator[Finding]:
    apn, line = profile.text("gsm", "apn"), profile.line("gsm", "apn")
    if not apn:
        if profile.text("gsm", "auto-config").strip() not in ("true", "1"):
            reason = "it names no APN, so that the device has to guess it"
            yield profile.warning(
                "profile-apn", line, reason, "Add apn=… to [gsm], as the provider tells it."
            )
    elif not re.fullmatch(_APN, apn):
        reason = "the APN has characters that none can have"
        remedy = "An APN has 1 to 64 letters, digits, full stops, hyphens and underscores."
        yield profile.error("profile-apn", line, reason, remedy)


def _vlan_findings(profile: LintedProfile) -> Iterator[Finding]:
    if "vlan" not in profile.sections:
        return
    line = profile.line("vlan")
    if not profile.text("vlan", "parent") and not profile.text("ethernet", "mac-address"):
        reason = "the VLAN has no parent"
        yield profile.error("profile-vlan", line, reason, "Add parent=eth0, or what it is, to [vlan].")
    if not profile.text("vlan", "id"):
        yield profile.error("profile-vlan", line, "the VLAN has no number", "Add id=1 to 4094 to [vlan].")


def _wireguard_findings(profile: LintedProfile) -> Iterator[Finding]:
    if "wireguard" not in profile.sections:
        return
    key, line = profile.text("wireguard", "private-key"), profile.line("wireguard", "private-key")
    if not key:
        if profile.flags("wireguard", "private-key") & 3:
            line = profile.line("wireguard", "private-key-flags")
            reason = "it leaves its private-key to the desktop (private-key-flags)"
            remedy = f"Remove private-key-flags and add private-key=…. {ASKED_FOR}"
            yield profile.error("profile-agent-secret", line, reason, remedy)
        else:
            remedy = "Add private-key=…, as `wg genkey` makes it."
            yield profile.error("profile-wireguard", line, "it has no private-key", remedy)
    elif not values.is_wireguard_key(key):
        reason = "the private-key is not 32 bytes in base64"
        remedy = "Copy the whole of what `wg genkey` printed."
        yield profile.error("profile-wireguard", line, reason, remedy)
    for section, where in profile.keyfile.section_lines.items():
        if section.startswith(_PEER) and not values.is_wireguard_key(section[len(_PEER) :]):
            reason = "the name of this section does not end in the peer's public key"
            remedy = "Write [wireguard-peer.KEY], KEY as `wg pubkey` prints it."
            yield profile.error("profile-wireguard", where, reason, remedy)


def _bluetooth_findings(profile: LintedProfile) -> Iterator[Finding]:
    if "bluetooth" in profile.sections and not profile.text("bluetooth", "bdaddr"):
        reason = "it has no bdaddr, the address of the other side"
        remedy = "Add bdaddr=00:11:22:33:44:55 to [bluetooth]."
        yield profile.error("profile-bluetooth", profile.line("bluetooth"), reason, remedy)


_RULES: dict[str, Callable[[LintedProfile], Iterator[Finding]]] = {
    "gsm": _gsm_findings,
    "vlan": _vlan_findings,
    "wireguard": _wireguard_findings,
    "bluetooth": _bluetooth_findings,
}


def _meant(kind: str) -> str:
    word = next((word for start, word in _MEANT.items() if kind.lower().startswith(start)), None)
    word = word or settings.nearest(kind, KINDS)
    return f"Did you mean {word}?" if word else "Wi-Fi is wifi, a cable is ethernet, a modem is gsm."
