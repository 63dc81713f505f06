"""The machine for each device type, and whether QEMU knows its names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from resin_toolkit.device.types import all_device_types
from resin_toolkit.emulation.boot_method import pc_command_line, pi_command_line
from resin_toolkit.emulation.firmware import find_firmware
from resin_toolkit.emulation.machines import DiskInterface, machine_for
from resin_toolkit.emulation.programs import find_emulator
from resin_toolkit.errors import NotSupported, ProgramNotFound

PIS = {
    "raspberrypi": "raspi0",
    "raspberry-pi2": "raspi2b",
    "raspberrypi3": "raspi2b",
    "raspberrypi3-64": "raspi3b",
    "raspberrypi0-2w-64": "raspi3b",
}


def test_every_device_type_has_a_machine_or_is_refused_by_name() -> None:
    machines, refused = {}, {}
    for board in all_device_types():
        try:
            machines[board.slug] = machine_for(board.slug, None, starts_as_pc=True)
        except NotSupported as error:
            refused[board.slug] = error.message
    assert {slug for slug, machine in machines.items() if not machine.is_pc} == {
        *("raspberry-pi", "raspberry-pi2", "raspberrypi3", "raspberrypi3-64", "raspberrypi0-2w-64"),
        "raspberrypi4-64",
    }
    assert machines["intel-nuc"].net == "e1000e"
    assert machines["qemux86-64"].disk is DiskInterface.VIRTIO
    assert {"jetson-nano", "intel-edison", "iot2000", "generic-aarch64"} <= set(refused)
    assert [slug for slug, message in refused.items() if slug not in message] == []


def test_unknown_device_types() -> None:
    assert machine_for("new-pc", "amd64", starts_as_pc=False).is_pc
    assert machine_for(None, None, starts_as_pc=True).is_pc
    for slug, arch in ((None, None), ("new-board", "armv7hf"), ("new-board", None)):
        with pytest.raises(NotSupported):
            machine_for(slug, arch, starts_as_pc=False)


@pytest.mark.parametrize("slug", PIS)
def test_qemu_has_the_boards(slug: str) -> None:
    program, name = find_emulator(machine_for(slug, None, starts_as_pc=False))
    assert name == PIS[slug]
    assert Path(program).is_file()


@pytest.mark.parametrize("slug", ["qemux86-64", "qemux86", "intel-nuc"])
def test_qemu_has_the_network_adapters_of_the_pcs(slug: str) -> None:
    machine = machine_for(slug, "i386" if slug == "qemux86" else None, starts_as_pc=False)
    program, name = find_emulator(machine)
    command = [program, "-nodefaults", "-machine", name, "-device", f"{machine.net},help"]
    assert "mac=" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_uefi_firmware_is_found_and_a_missing_one_is_reported() -> None:
    found = find_firmware("x86_64")
    assert found.code.is_file()
    assert found.variables.is_file()
    with pytest.raises(ProgramNotFound) as raised:
        find_firmware("riscv")
    assert "ovmf" in raised.value.hint.lower()


def test_kernel_command_lines() -> None:
    virtual, pi = (machine_for(slug, None, starts_as_pc=False) for slug in ("qemux86-64", "raspberrypi3-64"))
    assert pc_command_line(virtual, 2, "quiet").startswith("root=/dev/vda2 rootwait rw ")
    assert pc_command_line(virtual, None, "").endswith("console=ttyS0,115200")
    told = pi_command_line(pi, "console=serial0,115200 console=tty1 root=LABEL=resin-root", 2, "")
    assert told.split()[:3] == ["console=tty1", "root=LABEL=resin-root", "console=ttyAMA0,115200"]
    assert told.count("root=") == 1
    assert "root=/dev/mmcblk0p2 rootwait" in pi_command_line(pi, "", 2, "")
