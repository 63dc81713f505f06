"""The linter's rules for [802-1x]: what each EAP method needs, and where certificates lie."""

from __future__ import annotations

import re
from collections.abc import Iterator

from image_tools.lint.findings import Finding
from image_tools.lint.profiles.rules import ASKED_FOR, LintedProfile
from image_tools.profiles.values import problem, split_list

CONNECTIONS_ON_DEVICE = "/mnt/boot/system-connections/"
"""Where the device finds what lies in `system-connections/` of the boot partition."""

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
_WITH_PASSWORD = ("leap", "md5", "peap", "ttls", "fast", "pwd")
_WITH_PHASE_2 = ("peap", "ttls")
_OF_WORKSTATION = r"/(home|Users|root|tmp|media|run/(user|media)|var/home)/|~|[A-Za-z]:[\\/]"
_SECTION = "802-1x"


def certificate_path(text: str) -> str | None:
    """The path that a certificate or key of [802-1x] names; None where the value is the certificate itself.

    The forms of the value are those of nm-settings-keyfile(5).
    """
    text = text.strip()
    if text.startswith(("data:", "pkcs11:")) or re.fullmatch(r"(\d{1,3};)+", text):
        return None
    return text.removeprefix("file://") or None


def eap_findings(profile: LintedProfile) -> Iterator[Finding]:
    """Whether 802.1X can work without a person, on Wi-Fi and on a cable."""
    if _SECTION not in profile.sections:
        return
    yield from _certificate_findings(profile)
    methods, line = split_list(profile.text(_SECTION, "eap")), profile.line(_SECTION, "eap")
    if not methods:
        yield profile.error(
            "profile-eap", line, "[802-1x] has no eap", "Add eap=peap;, eap=ttls; or eap=tls;."
        )
        return
    if problem(f"list:{_METHODS}", ";".join(methods)) is not None:
        reason = "eap has a method that NetworkManager does not have"
        remedy = f"It has {', '.join(_METHODS.split('|'))}, in lower case."
        yield profile.error("profile-eap", line, reason, remedy)
        return
    method = methods[0]
    yield from _identity_findings(profile, method)
    if method in _WITH_PASSWORD:
        yield from _password_findings(profile, method)
    if method in _WITH_PHASE_2:
        yield from _phase_2_findings(profile, method)
    if method == "tls":
        yield from _tls_findings(profile)


def _identity_findings(profile: LintedProfile, method: str) -> Iterator[Finding]:
    if method not in ("sim", "external") and not profile.text(_SECTION, "identity"):
        reason = f"eap={method} needs an identity, and there is none"
        yield profile.error("profile-eap", profile.line(_SECTION), reason, "Add identity=… to [802-1x].")


def _password_findings(profile: LintedProfile, method: str) -> Iterator[Finding]:
    if profile.text(_SECTION, "password") or profile.text(_SECTION, "password-raw"):
        return
    if profile.flags(_SECTION, "password") & 3:
        line = profile.line(_SECTION, "password-flags")
        reason = "it leaves its password to the desktop (password-flags)"
        remedy = f"Remove password-flags and add password=…. {ASKED_FOR}"
        yield profile.error("profile-agent-secret", line, reason, remedy)
    elif profile.text(_SECTION, "phase2-auth") != "tls":
        reason = f"eap={method} needs a password, and there is none"
        remedy = f"Add password=… to [802-1x]. {ASKED_FOR}"
        yield profile.error("profile-no-password", profile.line(_SECTION), reason, remedy)


def _phase_2_findings(profile: LintedProfile, method: str) -> Iterator[Finding]:
    given = [key for key in ("phase2-auth", "phase2-autheap") if profile.text(_SECTION, key)]
    if len(given) != 1:
        reason = f"eap={method} needs exactly one of phase2-auth and phase2-autheap"
        yield profile.error("profile-eap", profile.line(_SECTION), reason, "Most take phase2-auth=mschapv2.")


def _tls_findings(profile: LintedProfile) -> Iterator[Finding]:
    for key in ("client-cert", "private-key"):
        if not profile.text(_SECTION, key):
            reason = f"eap=tls needs a {key}, and there is none"
            remedy = f"Add {key}={CONNECTIONS_ON_DEVICE}FILE to [802-1x], and put the file there."
            yield profile.error("profile-eap", profile.line(_SECTION), reason, remedy)


def _certificate_findings(profile: LintedProfile) -> Iterator[Finding]:
    for key in CERTIFICATE_KEYS:
        path = certificate_path(profile.text(_SECTION, key))
        reason = None if path is None else _misplaced(path, profile)
        if reason is not None:
            line = profile.line(_SECTION, key)
            remedy = f"Put the file into system-connections/, and write {key}={CONNECTIONS_ON_DEVICE}FILE."
            yield profile.error("profile-certificate", line, f"the {key} {reason}", remedy)


def _misplaced(path: str, profile: LintedProfile) -> str | None:
    if re.match(_OF_WORKSTATION, path):
        return "lies on the workstation, where the device does not find it"
    for folder in (CONNECTIONS_ON_DEVICE, _COPIED_TO):
        path = path.removeprefix(folder)
    if "/" in path or profile.beside is None:
        return None
    # FAT tells no upper from lower case, but the copy that the device makes does.
    return None if path in profile.beside else "is not beside the profile in system-connections/"
