"""Lint rules for [connection], and for cellular, VLAN, WireGuard and Bluetooth connections."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from image_tools.lint.findings import Finding
from image_tools.lint.profiles.rules import NO_PROMPT_HINT, LintedProfile
from image_tools.profiles import settings, values

TYPES = frozenset(
    """
    6lowpan 802-11-olpc-mesh adsl bluetooth bond bond-slave bridge bridge-slave cdma dummy ethernet generic
    geneve gsm hsr infiniband ip-tunnel ipvlan loopback macsec macvlan olpc-mesh ovs-bridge ovs-dpdk
    ovs-interface ovs-patch ovs-port pppoe team team-slave tun veth vlan vpn vrf vxlan wifi wifi-p2p wimax
    wireguard wpan
    """.split()  # noqa: SIM905 - a list would take forty lines
)
"""The connection types of NetworkManager (nm-settings, connection.type)."""

_ALIASES = {
    "wi": "wifi",
    "wlan": "wifi",
    "lan": "ethernet",
    "eth": "ethernet",
    "cell": "gsm",
    "lte": "gsm",
}
_NEEDS_SECTION = ("wifi", "vlan", "wireguard", "bluetooth")
_VIRTUAL = ("bond", "bridge", "dummy", "team", "tun", "vrf", "wireguard")
"""Types of virtual interfaces, which require interface-name."""
_USUAL_INTERFACE = r"(?a)(wlan|eth|wwan|usb)\d{1,2}"
_INTERFACE = r"[^\s/:%\x00-\x1f]{1,15}"
_APN = r"(?a)[A-Za-z0-9._-]{1,64}"
_PEER = "wireguard-peer."


def connection_findings(profile: LintedProfile) -> Iterator[Finding]:
    """Check that the profile is complete and works on an unattended device."""
    line = profile.line("connection")
    if line is None:
        remedy = "Add [connection] with id=… and type=…."
        yield profile.error("profile-no-connection", None, "no [connection] section", remedy)
        return
    if not profile.text("connection", "id"):
        yield profile.error("profile-no-id", line, "no id", "Add id=NAME to [connection].")
    yield from _uuid_findings(profile)
    yield from _type_findings(profile)
    yield from _restriction_findings(profile)
    yield from _interface_findings(profile)
    rule = _RULES.get(profile.type)
    if rule is not None:
        yield from rule(profile)


def _uuid_findings(profile: LintedProfile) -> Iterator[Finding]:
    uuid, line = profile.text("connection", "uuid"), profile.line("connection", "uuid")
    if not uuid:
        reason = "no uuid; NetworkManager derives one from the file name"
        yield profile.warning("profile-no-uuid", line, reason, "Add uuid=… with the output of `uuidgen`.")
    elif not values.is_uuid(uuid):
        reason = "invalid uuid"
        yield profile.error("profile-uuid", line, reason, "Remove the line, or use the output of `uuidgen`.")


def _type_findings(profile: LintedProfile) -> Iterator[Finding]:
    type_, line = profile.type, profile.line("connection", "type")
    if not type_:
        remedy = "Add type=… to [connection], such as type=wifi."
        yield profile.error("profile-no-type", line, "no type", remedy)
    elif type_ not in TYPES:
        reason = f'unknown connection type "{type_[:32]}"'
        yield profile.error("profile-type", line, reason, _suggest_type(type_))
    elif type_ == "vpn":
        reason = "VPNs of this type require a plugin that the device does not have"
        yield profile.warning("profile-vpn", line, reason, "Use WireGuard, which requires no plugin.")
    elif type_ in _NEEDS_SECTION and type_ not in profile.sections:
        reason = f"type={type_} requires a [{type_}] section"
        example = " with ssid=…" if type_ == "wifi" else ""
        yield profile.error("profile-no-section", line, reason, f"Add [{type_}]{example}.")


def _restriction_findings(profile: LintedProfile) -> Iterator[Finding]:
    if profile.text("connection", "permissions"):
        line = profile.line("connection", "permissions")
        reason = "permissions restricts the profile to a user, who does not exist on the device"
        yield profile.warning("profile-permissions", line, reason, "Remove the line.")
    if profile.text("connection", "autoconnect").strip() in ("false", "0"):
        line = profile.line("connection", "autoconnect")
        reason = "the device does not connect automatically (autoconnect=false)"
        yield profile.warning(
            "profile-autoconnect", line, reason, "Remove the line, unless this is intended."
        )
    address = profile.text(profile.type, "mac-address")
    if address and profile.type in ("wifi", "ethernet"):
        line = profile.line(profile.type, "mac-address")
        reason = "mac-address restricts the profile to one network adapter"
        yield profile.warning(
            "profile-mac-address",
            line,
            reason,
            "Remove the line, unless the board has that adapter.",
        )


def _interface_findings(profile: LintedProfile) -> Iterator[Finding]:
    name, line = profile.text("connection", "interface-name"), profile.line("connection", "interface-name")
    if not name:
        if profile.type in _VIRTUAL:
            reason = f"type={profile.type} requires interface-name"
            remedy = "Add interface-name=… to [connection]."
            yield profile.error("profile-interface-name", line, reason, remedy)
    elif name != "*" and (not re.fullmatch(_INTERFACE, name) or name in (".", "..", "all", "default")):
        reason = "invalid interface-name"
        remedy = "Use at most 15 characters, without spaces, slashes, colons and percent signs."
        yield profile.error("profile-interface-name", line, reason, remedy)
    elif profile.type in ("wifi", "ethernet") and not re.fullmatch(_USUAL_INTERFACE, name):
        reason = f"interface-name restricts the profile to {name}, which most boards do not have"
        remedy = "Remove the line, unless the board has that interface; most have wlan0 and eth0."
        yield profile.warning("profile-interface", line, reason, remedy)


def _gsm_findings(profile: LintedProfile) -> Iterator[Finding]:
    apn, line = profile.text("gsm", "apn"), profile.line("gsm", "apn")
    if not apn:
        if profile.text("gsm", "auto-config").strip() not in ("true", "1"):
            reason = "no APN; NetworkManager guesses it from the SIM"
            yield profile.warning(
                "profile-apn", line, reason, "Add apn=… to [gsm], as given by the provider."
            )
    elif not re.fullmatch(_APN, apn):
        reason = "the APN contains invalid characters"
        remedy = "Use 1 to 64 letters, digits, periods, hyphens and underscores."
        yield profile.error("profile-apn", line, reason, remedy)


def _vlan_findings(profile: LintedProfile) -> Iterator[Finding]:
    if "vlan" not in profile.sections:
        return
    line = profile.line("vlan")
    if not profile.text("vlan", "parent") and not profile.text("ethernet", "mac-address"):
        reason = "the VLAN has no parent interface"
        yield profile.error("profile-vlan", line, reason, "Add parent=… to [vlan], such as parent=eth0.")
    if not profile.text("vlan", "id"):
        yield profile.error("profile-vlan", line, "the VLAN has no id", "Add id=… to [vlan], from 1 to 4094.")


def _wireguard_findings(profile: LintedProfile) -> Iterator[Finding]:
    if "wireguard" not in profile.sections:
        return
    key, line = profile.text("wireguard", "private-key"), profile.line("wireguard", "private-key")
    if not key:
        if profile.flags("wireguard", "private-key") & 3:
            line = profile.line("wireguard", "private-key-flags")
            reason = "private-key-flags leaves the private key to a desktop agent"
            remedy = f"Remove private-key-flags and add private-key=…. {NO_PROMPT_HINT}"
            yield profile.error("profile-agent-secret", line, reason, remedy)
        else:
            remedy = "Add private-key=… with the output of `wg genkey`."
            yield profile.error("profile-wireguard", line, "no private-key", remedy)
    elif not values.is_wireguard_key(key):
        reason = "private-key is not 32 bytes in base64"
        remedy = "Copy the whole output of `wg genkey`."
        yield profile.error("profile-wireguard", line, reason, remedy)
    for section, section_line in profile.keyfile.section_lines.items():
        if section.startswith(_PEER) and not values.is_wireguard_key(section[len(_PEER) :]):
            reason = "the section name does not end in the public key of the peer"
            remedy = "Write [wireguard-peer.KEY] with the output of `wg pubkey` for KEY."
            yield profile.error("profile-wireguard", section_line, reason, remedy)


def _bluetooth_findings(profile: LintedProfile) -> Iterator[Finding]:
    if "bluetooth" in profile.sections and not profile.text("bluetooth", "bdaddr"):
        reason = "no bdaddr, the address of the peer"
        remedy = "Add bdaddr=00:11:22:33:44:55 to [bluetooth]."
        yield profile.error("profile-bluetooth", profile.line("bluetooth"), reason, remedy)


_RULES: dict[str, Callable[[LintedProfile], Iterator[Finding]]] = {
    "gsm": _gsm_findings,
    "vlan": _vlan_findings,
    "wireguard": _wireguard_findings,
    "bluetooth": _bluetooth_findings,
}


def _suggest_type(type_: str) -> str:
    suggestion = next(
        (suggestion for start, suggestion in _ALIASES.items() if type_.lower().startswith(start)), None
    )
    suggestion = suggestion or settings.nearest(type_, TYPES)
    return f"Did you mean {suggestion}?" if suggestion else "Use wifi, ethernet or gsm (cellular)."
