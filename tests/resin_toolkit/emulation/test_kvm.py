"""Whether KVM is used, decided by a guest of a few instructions that QEMU really runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from resin_toolkit.emulation import kvm
from resin_toolkit.emulation.kvm import is_kvm_faster

EMULATED = 'exec qemu-system-x86_64 "${@/#kvm/tcg}"'
MEASURED = """begin=$EPOCHREALTIME; qemu-system-x86_64 "$@"; code=$?
echo $(((${EPOCHREALTIME//[!0-9]/} - ${begin//[!0-9]/}) / 1000000)) >"$0.seconds"; exit $code"""
SLOW = 'sleep $(($(cat "$0.seconds") * 6 + 5))'
"""Longer than three times as long as the emulation, however busy the machine is."""


@pytest.mark.parametrize(
    ("by_kvm", "expected"),
    [
        (EMULATED, True),
        (f"{SLOW}; {EMULATED}", False),
        ("exec sleep 60", False),
        ("echo no >&2; exit 1", False),
    ],
)
def test_kvm_is_used_if_a_guest_ends_as_soon_as_emulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_kvm: str, expected: bool
) -> None:
    """With a QEMU whose KVM is as fast as its emulation, is slow, hangs, or is not there."""
    if expected:
        # On a busy machine the same may take many times as long at the second time.
        monkeypatch.setattr(kvm, "_MIN_TIMEOUT", 60.0)
    program = tmp_path / "qemu"
    program.write_text(f'#!/bin/bash\ncase " $* " in *" kvm "*) {by_kvm} ;; *) {MEASURED} ;; esac\n')
    program.chmod(0o755)
    assert is_kvm_faster(str(program)) is expected


def test_kvm_is_not_used_if_qemu_fails(tmp_path: Path) -> None:
    program = tmp_path / "qemu"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    assert not is_kvm_faster(str(program))
