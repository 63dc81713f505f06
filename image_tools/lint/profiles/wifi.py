"""The linter's rules for [wifi] and [wifi-security]."""

from __future__ import annotations

import re
from collections.abc import Iterator

from image_tools.lint.findings import Finding
from image_tools.lint.profiles.rules import ASKED_FOR, LintedProfile
from image_tools.profiles.keyfile import Keyfile
from image_tools.profiles.wifi import check_passphrase, check_ssid
from resin_toolkit.errors import BadValue

SAMPLE_PASSPHRASE = "super_secret_wifi_password"
_HEX_KEY = r"(?a)[0-9A-Fa-f]{64}"
_METHODS = ("none", "ieee8021x", "wpa-none", "wpa-psk", "wpa-eap", "wpa-eap-suite-b-192", "sae", "owe")
_WITH_EAP = ("ieee8021x", "wpa-eap", "wpa-eap-suite-b-192")
_WITH_PSK = ("wpa-psk", "sae", "wpa-none")


def key_management(profile: LintedProfile) -> str:
    """`key-mgmt`; NetworkManager takes it in upper case, too."""
    return profile.text("wifi-security", "key-mgmt").strip().lower()


def is_plain_passphrase(keyfile: Keyfile) -> bool:
    """Whether it holds a passphrase where the derived key would do: for WPA-PSK, not for SAE."""
    method = (keyfile.text("wifi-security", "key-mgmt") or "").strip().lower()
    psk = keyfile.text("wifi-security", "psk")
    return method == "wpa-psk" and bool(psk) and not re.fullmatch(_HEX_KEY, psk or "")


def wifi_findings(profile: LintedProfile) -> Iterator[Finding]:
    """Whether the device can join the network, or open its own."""
    if profile.type != "wifi" or "wifi" not in profile.sections:
        return
    yield from _ssid_findings(profile)
    if profile.text("wifi", "channel") not in ("", "0") and not profile.text("wifi", "band"):
        line = profile.line("wifi", "channel")
        remedy = "Add band=bg (2.4 GHz) or band=a (5 GHz) to [wifi]."
        yield profile.error("profile-channel", line, "a channel is set without its band", remedy)
    if "wifi-security" in profile.sections:
        yield from _security_findings(profile)
    elif profile.text("wifi", "security"):
        line = profile.line("wifi", "security")
        reason = "it names a [wifi-security] that is not there"
        yield profile.warning("profile-no-security", line, reason, "Add the section, or remove the line.")


def _ssid_findings(profile: LintedProfile) -> Iterator[Finding]:
    ssid, line = profile.keyfile.ssid, profile.line("wifi", "ssid")
    if ssid is None:
        yield profile.error("profile-ssid", line, "it has no ssid", "Add ssid=NAME to [wifi].")
        return
    try:
        check_ssid(ssid)
    except BadValue as error:
        yield profile.error("profile-ssid", line, error.message.rstrip("."), error.hint)


def _security_findings(profile: LintedProfile) -> Iterator[Finding]:
    method, line = key_management(profile), profile.line("wifi-security", "key-mgmt")
    psk = profile.text("wifi-security", "psk")
    if not method:
        reason = "it has [wifi-security] without key-mgmt"
        remedy = "Add key-mgmt=wpa-psk." if psk else "Add key-mgmt=wpa-psk; remove the section if it is open."
        yield profile.error("profile-key-mgmt", line, reason, remedy)
    elif method not in _METHODS:
        reason = f'it has key-mgmt="{method[:24]}", which there is not'
        yield profile.error("profile-key-mgmt", line, reason, "Use wpa-psk, sae, wpa-eap or owe.")
    elif method in _WITH_PSK:
        yield from _psk_findings(profile, method, psk)
    elif psk:
        reason = f"with key-mgmt={method}, the psk is without effect"
        remedy = "Use key-mgmt=wpa-psk or sae; or remove the psk."
        yield profile.warning("profile-key-mgmt", profile.line("wifi-security", "psk"), reason, remedy)
    if method in _WITH_EAP and "802-1x" not in profile.sections and not _is_leap(profile, method):
        reason = f"it has key-mgmt={method} and no [802-1x] section"
        yield profile.error("profile-no-8021x", line, reason, "Add it, with eap=….")
    elif method in ("wpa-psk", "sae") and "802-1x" in profile.sections:
        reason = f"with key-mgmt={method}, [802-1x] is without effect"
        remedy = "Use key-mgmt=wpa-eap; or remove the section."
        yield profile.warning("profile-key-mgmt", line, reason, remedy)


def _psk_findings(profile: LintedProfile, method: str, psk: str) -> Iterator[Finding]:
    line = profile.line("wifi-security", "psk")
    if not psk and profile.flags("wifi-security", "psk") & 3:
        line = profile.line("wifi-security", "psk-flags")
        reason = "it leaves its psk to the desktop (psk-flags)"
        yield profile.error(
            "profile-agent-secret", line, reason, f"Remove psk-flags and add psk=…. {ASKED_FOR}"
        )
    elif not psk:
        remedy = f"Add psk=… to [wifi-security]. {ASKED_FOR}"
        yield profile.error("profile-psk", line, "it has no psk", remedy)
    elif method == "sae" and re.fullmatch(_HEX_KEY, psk):
        reason = "the psk is 64 hex digits, and SAE takes the passphrase itself"
        yield profile.warning("profile-sae-key", line, reason, "Put the passphrase there, or use wpa-psk.")
    elif method != "sae":
        try:
            check_passphrase(psk)
        except BadValue as error:
            yield profile.error("profile-psk", line, error.message.rstrip("."), error.hint)
    if psk == SAMPLE_PASSPHRASE:
        reason = "it still has the passphrase of the sample"
        yield profile.warning("profile-sample", line, reason, "Put the network's own there.")


def _is_leap(profile: LintedProfile, method: str) -> bool:
    return method == "ieee8021x" and bool(profile.text("wifi-security", "leap-username"))
