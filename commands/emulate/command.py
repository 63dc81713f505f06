"""`resin emulate`: boot an image in QEMU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import files, images
from commands.common.image_options import MemoryLimitOption, parse_memory_limit_option
from resin_toolkit.cli.command import report_of, single_command
from resin_toolkit.errors import Declined, Interrupted, Notice, Refused
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen

if TYPE_CHECKING:
    from image_tools.bootable_image import BootableImage
    from image_tools.drives import Drive
    from resin_toolkit.emulation.boot_method import BootSource, KernelOptions
    from resin_toolkit.emulation.command_line import QemuConfig
    from resin_toolkit.emulation.machines import Machine
    from resin_toolkit.emulation.port_forwarding import Forward

EXAMPLES = """\b
Examples:
  resin emulate resin.img --snapshot
  resin emulate resin.img.xz --snapshot --publish 80
  resin emulate resin.img --publish 8080:80
  resin emulate disk.img --kernel bzImage --append 'root=/dev/sda2'
"""


@dataclass(frozen=True)
class EmulationResult:
    """A machine that its system has powered off."""

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
        int | None, typer.Option(metavar="N", help="Number of the boot partition (default: detected).")
    ] = None,
    memory_limit: MemoryLimitOption = None,
) -> EmulationResult:
    """Boot an image in QEMU, as a PC or a Raspberry Pi depending on its device type.

    Use `resin push localhost`, `resin logs localhost` and `resin ssh localhost` to access it. Without
    --snapshot, writes go to the image. Runs until Ctrl-C or until the machine powers off.
    """
    from commands.emulate.display import SessionDisplay
    from image_tools.bootable_image import open_bootable
    from resin_toolkit.emulation.boot_method import KernelOptions
    from resin_toolkit.emulation.interrupts import Interrupts
    from resin_toolkit.emulation.port_forwarding import choose_ports, parse_publish
    from resin_toolkit.emulation.session import Ending, Session, forget_emulated_host_keys
    from resin_toolkit.emulation.start import start_machine

    report = report_of(context)
    published = [parse_publish(text) for text in publish or ()]
    options = KernelOptions(kernel, initrd, append)
    most_memory = parse_memory_limit_option(memory_limit)
    drive = None if snapshot else _confirmed_drive(image, report)
    with ExitStack() as stack:
        bootable = stack.enter_context(
            open_bootable(
                image,
                report.progress(),
                writable=not snapshot,
                partition=partition,
                memory_limit=most_memory,
            )
        )
        if drive is not None:
            from image_tools.drives import check_not_exchanged

            check_not_exchanged(drive, bootable.file.fileno())
        report.warn(*bootable.notices)
        ports = choose_ports(published)
        config = _config(bootable, options, ports.forwards, stack, snapshot=snapshot)
        _warn_flasher(bootable, report)
        machine = start_machine(config, report.warn, allow_kvm=not no_kvm)
        stack.callback(machine.release)
        forget_emulated_host_keys(ports.ssh)
        lost = "" if snapshot else " Data not yet written to disk is lost."
        report.if_interrupted = Interrupted(f"The power was cut.{lost}")
        display = SessionDisplay(report, machine, ports)
        with Interrupts() as interrupts:
            session = Session(machine, ports, interrupts, display)
            title = f"{config.machine.title} ({config.boot_method.title})"
            display.started(title, str(image), snapshot=snapshot)
            ending = session.run()
        if ending is Ending.SHUT_DOWN:
            raise Interrupted("The machine was shut down.")
        if ending is Ending.POWER_CUT:
            raise Interrupted(f"The machine did not shut down in time: the power was cut.{lost}")
        return EmulationResult(str(image), config.machine.title, snapshot, round(session.seconds, 3))


app = single_command(emulate, epilog=EXAMPLES)


def _config(
    image: BootableImage,
    options: KernelOptions,
    forwards: Sequence[Forward],
    stack: ExitStack,
    *,
    snapshot: bool,
) -> QemuConfig:
    from resin_toolkit.emulation.boot_method import choose_boot_method
    from resin_toolkit.emulation.command_line import QemuConfig
    from resin_toolkit.emulation.disk import prepare_disk
    from resin_toolkit.emulation.machines import machine_for
    from resin_toolkit.emulation.programs import find_emulator
    from resin_toolkit.emulation.start import copy_variables

    info, startup = image.os, image.startup
    machine = machine_for(
        info.device_type if info else None,
        info.architecture if info else None,
        starts_as_pc=bool(options.kernel or startup.has_mbr_loader or startup.efi),
    )
    program, name = find_emulator(machine)
    read_file = image.boot.chunks if image.boot else None
    boot_method = choose_boot_method(
        machine, _boot_source(image, machine, options), options, read_file, stack
    )
    return QemuConfig(
        program=program,
        machine_name=name,
        machine=machine,
        boot_method=boot_method,
        disk=prepare_disk(image.path, image.size, machine, stack, is_drive=image.is_drive, snapshot=snapshot),
        forwards=forwards,
        uefi_variables=copy_variables(boot_method.firmware, stack),
        image=image.file,
    )


def _boot_source(image: BootableImage, machine: Machine, options: KernelOptions) -> BootSource:
    from image_tools.raspberry_pi import find_boot_files
    from resin_toolkit.emulation.boot_method import BootSource
    from resin_toolkit.errors import PathNotFound

    startup = image.startup
    if machine.is_pc:
        return BootSource(
            has_mbr_loader=startup.has_mbr_loader,
            efi=startup.efi,
            kernel=startup.kernel,
            initrd=startup.initrd,
            root=startup.root,
        )
    if image.boot is None:
        raise PathNotFound(
            "The image has no boot partition for the board's firmware.",
            hint="List its partitions with `resin image info`.",
        )
    files = find_boot_files(image.boot, machine.firmware, needs_kernel=options.kernel is None)
    return BootSource(
        kernel=files.kernel,
        initrd=files.initrd,
        device_tree=files.tree,
        command_line=files.command_line,
        root=startup.root,
    )


def _confirmed_drive(image: Path, report: Report) -> Drive | None:
    """The drive `image`, once the user agrees that it is written to; None for a file."""
    if not image.is_block_device():
        return None
    from commands.common.drive_text import format_drive
    from image_tools.drives import find_drive

    path = str(image)
    drive = find_drive(path)
    for refusal in drive.refusals:
        raise Refused(
            f"{drive.path} {refusal.message}.", hint=f"{refusal.hint} --snapshot writes nothing.".strip()
        )
    text = f"{format_drive(drive)}\nThe system on {drive.path} will write to it."
    if drive.removable or report.settings.yes or not report.interactive:
        report.confirm(f"{text} Continue?")
        return drive
    answer = report.ask(f"{text}\n{path} is a fixed drive. Type its name to continue")
    if answer not in (path, image.name):
        raise Declined("Declined; nothing was changed.", hint="Type the drive's name to continue.")
    return drive


def _warn_flasher(image: BootableImage, report: Report) -> None:
    if image.os is not None and image.os.is_flasher:
        report.warn(
            Notice(
                "flasher-image",
                "This flasher image installs to internal storage, which the machine does not have.",
            )
        )
