"""Lint rules for [802-1x]: the requirements of each EAP method, and paths of certificates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from image_tools.lint.findings import Finding
from image_tools.lint.profiles.rules import NO_PROMPT_HINT, LintedProfile
from image_tools.profiles.values import expected_value, split_list

CONNECTIONS_ON_DEVICE = "/mnt/boot/system-connections/"
"""The path of `system-connections/` of the boot partition on the device."""

CERTIFICATE_KEYS = (
    "ca-cert",
    "client-cert",
    "private-key",
    "phase2-ca-cert",
    "phase2-client-cert",
    "phase2-private-key",
)
_COPIED_TO = "/etc/NetworkManager/system-connections/"
_METHODS = "leap|md5|tls|peap|ttls|sim|fast|pwd|external"
_PASSWORD_METHODS = ("leap", "md5", "peap", "ttls", "fast", "pwd")
_PHASE_2_METHODS = ("peap", "ttls")
_WORKSTATION_PATH = r"/(home|Users|root|tmp|media|run/(user|media)|var/home)/|~|[A-Za-z]:[\\/]"
_SECTION = "802-1x"


def certificate_path(text: str) -> str | None:
    """Return the path in a certificate or key value of [802-1x], or None if the value is not a path.

    The formats are those of nm-settings-keyfile(5).
    """
    text = text.strip()
    if text.startswith(("data:", "pkcs11:")) or re.fullmatch(r"(\d{1,3};)+", text):
        return None
    return text.removeprefix("file://") or None


def eap_findings(profile: LintedProfile) -> Iterator[Finding]:
    """Check that 802.1X works on an unattended device, on Wi-Fi and Ethernet."""
    if _SECTION not in profile.sections:
        return
    yield from _certificate_findings(profile)
    methods, line = split_list(profile.text(_SECTION, "eap")), profile.line(_SECTION, "eap")
    if not methods:
        yield profile.error(
            "profile-eap", line, "[802-1x] has no eap", "Add eap=peap;, eap=ttls; or eap=tls;."
        )
        return
    if expected_value(f"list:{_METHODS}", ";".join(methods)) is not None:
        reason = "unknown EAP method in eap"
        remedy = f"Use {', '.join(_METHODS.split('|'))}, in lower case."
        yield profile.error("profile-eap", line, reason, remedy)
        return
    method = methods[0]
    yield from _identity_findings(profile, method)
    if method in _PASSWORD_METHODS:
        yield from _password_findings(profile, method)
    if method in _PHASE_2_METHODS:
        yield from _phase_2_findings(profile, method)
    if method == "tls":
        yield from _tls_findings(profile)


def _identity_findings(profile: LintedProfile, method: str) -> Iterator[Finding]:
    if method not in ("sim", "external") and not profile.text(_SECTION, "identity"):
        reason = f"eap={method} requires identity"
        yield profile.error("profile-eap", profile.line(_SECTION), reason, "Add identity=… to [802-1x].")


def _password_findings(profile: LintedProfile, method: str) -> Iterator[Finding]:
    if profile.text(_SECTION, "password") or profile.text(_SECTION, "password-raw"):
        return
    if profile.flags(_SECTION, "password") & 3:
        line = profile.line(_SECTION, "password-flags")
        reason = "password-flags leaves the password to a desktop agent"
        remedy = f"Remove password-flags and add password=…. {NO_PROMPT_HINT}"
        yield profile.error("profile-agent-secret", line, reason, remedy)
    elif profile.text(_SECTION, "phase2-auth") != "tls":
        reason = f"eap={method} requires password"
        remedy = f"Add password=… to [802-1x]. {NO_PROMPT_HINT}"
        yield profile.error("profile-no-password", profile.line(_SECTION), reason, remedy)


def _phase_2_findings(profile: LintedProfile, method: str) -> Iterator[Finding]:
    present = [key for key in ("phase2-auth", "phase2-autheap") if profile.text(_SECTION, key)]
    if len(present) != 1:
        reason = f"eap={method} requires exactly one of phase2-auth and phase2-autheap"
        yield profile.error("profile-eap", profile.line(_SECTION), reason, "Usually phase2-auth=mschapv2.")


def _tls_findings(profile: LintedProfile) -> Iterator[Finding]:
    for key in ("client-cert", "private-key"):
        if not profile.text(_SECTION, key):
            reason = f"eap=tls requires {key}"
            remedy = f"Add {key}={CONNECTIONS_ON_DEVICE}FILE to [802-1x], and copy the file there."
            yield profile.error("profile-eap", profile.line(_SECTION), reason, remedy)


def _certificate_findings(profile: LintedProfile) -> Iterator[Finding]:
    for key in CERTIFICATE_KEYS:
        path = certificate_path(profile.text(_SECTION, key))
        reason = None if path is None else _path_problem(path, profile)
        if reason is not None:
            line = profile.line(_SECTION, key)
            remedy = f"Copy the file to system-connections/, and set {key}={CONNECTIONS_ON_DEVICE}FILE."
            yield profile.error("profile-certificate", line, f"{key} {reason}", remedy)


def _path_problem(path: str, profile: LintedProfile) -> str | None:
    if re.match(_WORKSTATION_PATH, path):
        return "is a path on the workstation, which the device cannot access"
    for folder in (CONNECTIONS_ON_DEVICE, _COPIED_TO):
        path = path.removeprefix(folder)
    if "/" in path or profile.siblings is None:
        return None
    # FAT ignores case, but the file system to which the device copies the files does not.
    return None if path in profile.siblings else "names a file that is missing from system-connections/"
