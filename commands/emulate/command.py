"""`resin emulate`: boot an image in QEMU, for those who have no board at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from commands.common.completions import files, images
from resin_toolkit.cli.verb import report_of, single_command
from resin_toolkit.errors import EmulatorFailed, Notice, Refused
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen

if TYPE_CHECKING:
    from commands.emulate.image import EmulatedImage
    from resin_toolkit.emulation.command_line import EmulatedDisk
    from resin_toolkit.emulation.firmware import Firmware
    from resin_toolkit.emulation.machines import Machine
    from resin_toolkit.emulation.virtual_machine import VirtualMachine

EXAMPLES = """\b
Examples:
  resin emulate resin.img --snapshot
  resin emulate resin.img.xz --snapshot --publish 80
  resin emulate resin.img --publish 8080:80
  resin emulate disk.img --kernel bzImage --append 'root=/dev/sda2'
"""


@dataclass(frozen=True)
class SwitchedOff:
    """A machine that has switched itself off."""

    image: str
    machine: str
    snapshot: bool
    seconds: float

    def data(self) -> Mapping[str, object]:
        return {
            "image": self.image,
            "machine": self.machine,
            "snapshot": self.snapshot,
            "seconds": self.seconds,
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return f"The machine powered off after {self.seconds:.0f} s."


def emulate(
    context: typer.Context,
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE",
            help="Image file, or a flashed drive.",
            show_default=False,
            readable=False,
            autocompletion=images,
        ),
    ],
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="Discard all writes and leave the image unchanged.")
    ] = False,
    publish: Annotated[
        list[str] | None,
        typer.Option(
            "--publish",
            metavar="[HOST:]GUEST",
            help="Publish a port of the machine on localhost.",
        ),
    ] = None,
    kernel: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Boot this kernel instead.", readable=False, autocompletion=files),
    ] = None,
    initrd: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Use this initial ramdisk.", readable=False, autocompletion=files),
    ] = None,
    append: Annotated[
        str, typer.Option(metavar="TEXT", help="Append to the kernel command line.", show_default=False)
    ] = "",
    no_kvm: Annotated[
        bool,
        typer.Option("--no-kvm", help="Do not use KVM, even if available."),
    ] = False,
    partition: Annotated[
        int | None, typer.Option(metavar="N", help="Use this partition as the boot partition.")
    ] = None,
) -> SwitchedOff:
    """Boot an image in QEMU, as a PC or a Raspberry Pi depending on its device type.

    Use `resin push localhost`, `resin logs localhost` and `resin ssh localhost` to access it. Without
    --snapshot, writes go to the image. Runs until Ctrl-C or until the machine powers off.
    """
    from commands.emulate.boot_method import KernelOptions, choose_boot_method
    from commands.emulate.image import opened
    from commands.emulate.session import Ports, Session, forget_last_guest
    from resin_toolkit.emulation.command_line import command_line
    from resin_toolkit.emulation.machines import machine_for
    from resin_toolkit.emulation.port_forwarding import choose_ports, parse_publish
    from resin_toolkit.emulation.programs import find_emulator

    report = report_of(context)
    published = [parse_publish(word) for word in publish or ()]
    kernel_options = KernelOptions(kernel, initrd, append)
    with ExitStack() as stack:
        found = stack.enter_context(opened(image, report, snapshot=snapshot, partition=partition))
        starts = bool(kernel or found.startup.has_mbr_loader or found.startup.efi)
        told = found.os
        machine = machine_for(
            told.device_type if told else None, told.architecture if told else None, starts_as_pc=starts
        )
        program, name = find_emulator(machine)
        boot_method = choose_boot_method(found, machine, kernel_options, stack)
        _warn(report, found)
        disk = _disk_for(image, found, machine, stack, snapshot=snapshot)
        variables = _variables_store(boot_method.firmware, stack)
        ports = Ports(choose_ports(published))
        describe = partial(command_line, program, name, machine, boot_method, disk, ports.forwards, variables)
        inherited = (
            found.file,
            disk.overlay,
            variables,
            boot_method.kernel,
            boot_method.initrd,
            boot_method.tree,
        )
        files = [file.fileno() for file in inherited if file is not None]
        kvm = not no_kvm and _can_use_kvm(program, machine, report)
        running = _started(machine, describe, files, report, kvm=kvm)
        stack.callback(running.release)
        forget_last_guest(ports)
        session = Session(report, running, ports, snapshot=snapshot)
        title = f"{machine.title}, started by {boot_method.title}"
        session.tell(title, str(image))
        session.run()
        return SwitchedOff(str(image), machine.title, snapshot, session.seconds)


app = single_command(emulate, epilog=EXAMPLES)


def _warn(report: Report, image: EmulatedImage) -> None:
    if image.os is not None and image.os.is_flasher:
        report.warn(
            Notice(
                "flasher-image",
                "This flasher image installs to internal storage, which the machine does not have.",
            )
        )


def _disk_for(
    image: Path, found: EmulatedImage, machine: Machine, stack: ExitStack, *, snapshot: bool
) -> EmulatedDisk:
    """The image as the machine gets it. A card's size is a power of two: with an overlay it seems to be."""
    from commands.emulate.image import temporary
    from resin_toolkit.emulation.command_line import EmulatedDisk
    from resin_toolkit.emulation.qcow2 import write_overlay

    size = found.size if machine.is_pc else 1 << (found.size - 1).bit_length()
    if not snapshot and size != found.size:
        longer = (
            "" if found.is_drive else f"; or make it longer, which is safe: truncate --size={size} {image}"
        )
        raise Refused(
            f"{image} has {found.size} bytes, but QEMU requires an SD card size that is a power of two.",
            hint=f"Use --snapshot, which leaves the image unchanged{longer}",
        )
    if not snapshot:
        return EmulatedDisk(found.place, found.is_drive, None)
    overlay = stack.enter_context(temporary())
    write_overlay(overlay, size)
    return EmulatedDisk(found.place, found.is_drive, overlay)


def _started(
    machine: Machine,
    describe: Callable[..., list[str]],
    inherited: Sequence[int],
    report: Report,
    *,
    kvm: bool,
) -> VirtualMachine:
    """The machine, started: by KVM where that can be had, else without."""
    from resin_toolkit.emulation.virtual_machine import start_machine

    if kvm:
        try:
            return start_machine(machine, describe(kvm=True), inherited)
        except EmulatorFailed as error:
            # Whatever else was wrong is still wrong without it, and told then.
            reason = error.message
        running = start_machine(machine, describe(kvm=False), inherited)
        report.warn(Notice("no-kvm", f"KVM does not work on this machine, so emulation is slower: {reason}"))
        return running
    return start_machine(machine, describe(kvm=False), inherited)


def _can_use_kvm(program: str, machine: Machine, report: Report) -> bool:
    from resin_toolkit.emulation.kvm import has_kvm, is_kvm_faster

    if not has_kvm(machine):
        return False
    if is_kvm_faster(program):
        return True
    report.warn(Notice("slow-kvm", "KVM is slower than emulation on this machine and is not used."))
    return False


def _variables_store(firmware: Firmware | None, stack: ExitStack) -> BinaryIO | None:
    """A copy of the firmware's empty store, which is gone at the end: nothing in an image relies on it."""
    import shutil

    from commands.emulate.image import temporary

    if firmware is None:
        return None
    copy = stack.enter_context(temporary())
    with firmware.variables.open("rb") as store:
        shutil.copyfileobj(store, copy)
    copy.flush()
    return copy
