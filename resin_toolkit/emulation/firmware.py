"""The UEFI firmware for QEMU, wherever the system has put it.

Distributions describe theirs in files of QEMU's own format (docs/interop/firmware.json in its source); what
has no such file is looked for by name.
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
_UNDESCRIBED = (
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
    """The firmware's program, and the empty store of its variables, which is copied for each run."""

    code: Path
    variables: Path
    format: str = "raw"
    """Of both files."""


def find_firmware(arch: str) -> Firmware:
    """The firmware that starts UEFI programs of `arch`: x86_64 or i386. Raises ProgramNotFound."""
    for found in (*_described(arch), *_undescribed(arch)):
        if found.code.is_file() and found.variables.is_file():
            return found
    raise ProgramNotFound(
        f"The image boots with UEFI, but no UEFI firmware for QEMU is installed ({arch}).",
        hint=install_hint("uefi"),
        program="ovmf",
    )


def _undescribed(arch: str) -> Iterator[Firmware]:
    for kind, code, variables in _UNDESCRIBED:
        if kind == arch:
            yield from (Firmware(Path(share, code), Path(share, variables)) for share in _SHARES)


def _described(arch: str) -> Iterator[Firmware]:
    for share in _SHARES:
        for path in sorted(Path(share, "qemu/firmware").glob("*.json")):
            try:
                found = _firmware(json.loads(path.read_text(encoding="utf-8")), arch)
            except (OSError, ValueError, LookupError, TypeError, AttributeError):
                # Not ours to mend; another may do.
                continue
            if found is not None:
                yield found


def _firmware(about: Any, arch: str) -> Firmware | None:
    """What a description tells of, where it fits: one that starts programs that nobody has signed."""
    mapping = about["mapping"]
    if "uefi" not in about["interface-types"] or mapping["device"] != "flash":
        return None
    if "requires-smm" in about["features"] or all(t["architecture"] != arch for t in about["targets"]):
        return None
    code, variables = mapping["executable"], mapping["nvram-template"]
    if code["format"] != variables["format"]:
        return None
    return Firmware(Path(code["filename"]), Path(variables["filename"]), str(code["format"]))
