"""The installed UEFI firmware for QEMU.

Distributions describe theirs in JSON files (docs/interop/firmware.json in QEMU's source); firmware without
such a file is found by its usual path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resin_toolkit.emulation.programs import install_hint
from resin_toolkit.errors import ProgramNotFound

_SHARES = ("/etc", "/usr/share", "/usr/local/share", "/opt/homebrew/share")
_USUAL_PATHS = (
    ("x86_64", "OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"),
    ("x86_64", "OVMF/OVMF_CODE.fd", "OVMF/OVMF_VARS.fd"),
    ("x86_64", "edk2/ovmf/OVMF_CODE.fd", "edk2/ovmf/OVMF_VARS.fd"),
    ("x86_64", "edk2/x64/OVMF_CODE.4m.fd", "edk2/x64/OVMF_VARS.4m.fd"),
    ("x86_64", "edk2-ovmf/x64/OVMF_CODE.fd", "edk2-ovmf/x64/OVMF_VARS.fd"),
    ("x86_64", "qemu/edk2-x86_64-code.fd", "qemu/edk2-i386-vars.fd"),
    ("i386", "edk2/ovmf-ia32/OVMF_CODE.fd", "edk2/ovmf-ia32/OVMF_VARS.fd"),
    ("i386", "edk2/ia32/OVMF_CODE.4m.fd", "edk2/ia32/OVMF_VARS.4m.fd"),
    ("i386", "qemu/edk2-i386-code.fd", "qemu/edk2-i386-vars.fd"),
)


@dataclass(frozen=True)
class Firmware:
    """The firmware's code, and its empty variable store, which is copied for each run."""

    code: Path
    variables: Path
    format: str = "raw"
    """The image format of both files: raw or qcow2."""


def find_firmware(arch: str) -> Firmware:
    """Return the UEFI firmware for `arch`: x86_64 or i386. Raises ProgramNotFound."""
    for found in (*_described(arch), *_at_usual_paths(arch)):
        if found.code.is_file() and found.variables.is_file():
            return found
    raise ProgramNotFound(
        f"The image boots with UEFI, but no UEFI firmware for QEMU is installed ({arch}).",
        hint=install_hint("uefi"),
        program="ovmf",
    )


def _at_usual_paths(arch: str) -> Iterator[Firmware]:
    for its_arch, code, variables in _USUAL_PATHS:
        if its_arch == arch:
            yield from (Firmware(Path(share, code), Path(share, variables)) for share in _SHARES)


def _described(arch: str) -> Iterator[Firmware]:
    for share in _SHARES:
        for path in sorted(Path(share, "qemu/firmware").glob("*.json")):
            try:
                found = _firmware(json.loads(path.read_text(encoding="utf-8")), arch)
            except (OSError, ValueError, LookupError, TypeError, AttributeError):
                # A malformed description; another one may fit.
                continue
            if found is not None:
                yield found


def _firmware(description: Any, arch: str) -> Firmware | None:
    """The described firmware if it fits `arch` and runs unsigned boot loaders (no Secure Boot)."""
    mapping = description["mapping"]
    if "uefi" not in description["interface-types"] or mapping["device"] != "flash":
        return None
    if "requires-smm" in description["features"] or all(
        t["architecture"] != arch for t in description["targets"]
    ):
        return None
    code, variables = mapping["executable"], mapping["nvram-template"]
    if code["format"] != variables["format"]:
        return None
    return Firmware(Path(code["filename"]), Path(variables["filename"]), str(code["format"]))
