"""Lint rules for [wifi] and [wifi-security]."""

from __future__ import annotations

import re
from collections.abc import Iterator

from image_tools.lint.findings import Finding
from image_tools.lint.profiles.rules import NO_PROMPT_HINT, LintedProfile
from image_tools.profiles.keyfile import Keyfile
from image_tools.profiles.wifi_credentials import check_passphrase, check_ssid
from resin_toolkit.errors import BadValue

SAMPLE_PASSPHRASE = "super_secret_wifi_password"
_HEX_KEY = r"(?a)[0-9A-Fa-f]{64}"
_METHODS = ("none", "ieee8021x", "wpa-none", "wpa-psk", "wpa-eap", "wpa-eap-suite-b-192", "sae", "owe")
_EAP_METHODS = ("ieee8021x", "wpa-eap", "wpa-eap-suite-b-192")
_PSK_METHODS = ("wpa-psk", "sae", "wpa-none")


def key_management(profile: LintedProfile) -> str:
    """Return `key-mgmt` in lower case; NetworkManager ignores its case."""
    return profile.text("wifi-security", "key-mgmt").strip().lower()


def is_plain_passphrase(keyfile: Keyfile) -> bool:
    """Whether it stores a passphrase where the derived key would suffice: with WPA-PSK, not SAE."""
    method = (keyfile.text("wifi-security", "key-mgmt") or "").strip().lower()
    psk = keyfile.text("wifi-security", "psk")
    return method == "wpa-psk" and bool(psk) and not re.fullmatch(_HEX_KEY, psk or "")


def wifi_findings(profile: LintedProfile) -> Iterator[Finding]:
    """Check that the device can join the network, or run the hotspot."""
    if profile.type != "wifi" or "wifi" not in profile.sections:
        return
    yield from _ssid_findings(profile)
    if profile.text("wifi", "channel") not in ("", "0") and not profile.text("wifi", "band"):
        line = profile.line("wifi", "channel")
        remedy = "Add band=bg (2.4 GHz) or band=a (5 GHz) to [wifi]."
        yield profile.error("profile-channel", line, "channel requires band", remedy)
    if "wifi-security" in profile.sections:
        yield from _security_findings(profile)
    elif profile.text("wifi", "security"):
        line = profile.line("wifi", "security")
        reason = "security names a section [wifi-security] that is missing"
        yield profile.warning("profile-no-security", line, reason, "Add the section, or remove the line.")


def _ssid_findings(profile: LintedProfile) -> Iterator[Finding]:
    ssid, line = profile.keyfile.ssid, profile.line("wifi", "ssid")
    if ssid is None:
        yield profile.error("profile-ssid", line, "no ssid", "Add ssid=NAME to [wifi].")
        return
    try:
        check_ssid(ssid)
    except BadValue as error:
        yield profile.error("profile-ssid", line, error.message.rstrip("."), error.hint)


def _security_findings(profile: LintedProfile) -> Iterator[Finding]:
    method, line = key_management(profile), profile.line("wifi-security", "key-mgmt")
    psk = profile.text("wifi-security", "psk")
    if not method:
        reason = "[wifi-security] has no key-mgmt"
        remedy = (
            "Add key-mgmt=wpa-psk." if psk else "Add key-mgmt=wpa-psk, or remove the section if it is open."
        )
        yield profile.error("profile-key-mgmt", line, reason, remedy)
    elif method not in _METHODS:
        reason = f'unknown key-mgmt "{method[:24]}"'
        yield profile.error("profile-key-mgmt", line, reason, "Use wpa-psk, sae, wpa-eap or owe.")
    elif method in _PSK_METHODS:
        yield from _psk_findings(profile, method, psk)
    elif psk:
        reason = f"psk has no effect with key-mgmt={method}"
        remedy = "Use key-mgmt=wpa-psk or sae, or remove psk."
        yield profile.warning("profile-key-mgmt", profile.line("wifi-security", "psk"), reason, remedy)
    if method in _EAP_METHODS and "802-1x" not in profile.sections and not _is_leap(profile, method):
        reason = f"key-mgmt={method} requires a [802-1x] section"
        yield profile.error("profile-no-8021x", line, reason, "Add [802-1x] with eap=….")
    elif method in ("wpa-psk", "sae") and "802-1x" in profile.sections:
        reason = f"[802-1x] has no effect with key-mgmt={method}"
        remedy = "Use key-mgmt=wpa-eap, or remove the section."
        yield profile.warning("profile-key-mgmt", line, reason, remedy)


def _psk_findings(profile: LintedProfile, method: str, psk: str) -> Iterator[Finding]:
    line = profile.line("wifi-security", "psk")
    if not psk and profile.flags("wifi-security", "psk") & 3:
        line = profile.line("wifi-security", "psk-flags")
        reason = "psk-flags leaves the passphrase to a desktop agent"
        yield profile.error(
            "profile-agent-secret", line, reason, f"Remove psk-flags and add psk=…. {NO_PROMPT_HINT}"
        )
    elif not psk:
        remedy = f"Add psk=… to [wifi-security]. {NO_PROMPT_HINT}"
        yield profile.error("profile-psk", line, "no psk", remedy)
    elif method == "sae" and re.fullmatch(_HEX_KEY, psk):
        reason = "psk is a derived key of 64 hex digits, but SAE requires the passphrase"
        yield profile.warning("profile-sae-key", line, reason, "Use the passphrase, or key-mgmt=wpa-psk.")
    elif method != "sae":
        try:
            check_passphrase(psk)
        except BadValue as error:
            yield profile.error("profile-psk", line, error.message.rstrip("."), error.hint)
    if psk == SAMPLE_PASSPHRASE:
        reason = "psk is the passphrase of the sample profile"
        yield profile.warning("profile-sample", line, reason, "Use the passphrase of your network.")


def _is_leap(profile: LintedProfile, method: str) -> bool:
    return method == "ieee8021x" and bool(profile.text("wifi-security", "leap-username"))
