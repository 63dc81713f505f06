"""Images whose systems are a few dozen bytes long, and `resin emulate` as it runs one of them.

Each system says hello again and again on the first serial line. What it hears there switches it off, but for
an `r`, at which the PC's starts anew.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import disk_images
from support.boot_images import boot_image, make_fat
from support.disk_images import MIB
from support.resin_command import PROGRAM, Run, environment

PATIENCE = 60.0
BIOS_SAYS, PI_SAYS, UEFI_SAYS = b"Hello of the first sector", b"Hello of the kernel", b"Hello of the loader"
_BIOS = (
    "fa 31c0 8ed8"  # cli; xor ax, ax; mov ds, ax
    "be3a7c"  # again: mov si, text
    "ac 84c0 7411"  # next: lodsb; test al, al; jz heard
    "88c4 bafd03"  # mov ah, al; mov dx, COM1 + 5
    "ec a820 74fb"  # ready: in al, dx; test al, 0x20; jz ready
    "b2f8 88e0 ee ebea"  # mov dl, 0xf8; mov al, ah; out dx, al; jmp next
    "bafd03 ec a801 74df"  # heard: mov dx, COM1 + 5; in al, dx; test al, 1; jz again
    "b2f8 ec 3c72 7407"  # mov dl, 0xf8; in al, dx; cmp al, 'r'; jz anew
    "ba0406 b80020 ef"  # mov dx, 0x604; mov ax, 0x2000; out dx, ax: off, by ACPI
    "b0fe e664 ebfe"  # anew: mov al, 0xfe; out 0x64, al: the keyboard controller's reset; jmp $
)
_PI = (
    "01e4a7d2 21044091"  # mov x1, UART0
    "22020010"  # again: adr x2, text
    "43144038 a3000034"  # next: ldrb w3, [x2], 1; cbz w3, heard
    "241840b9 e4ff2f37 230000b9 fbffff17"  # full: wait while its FIFO is full; str w3, [x1]; b next
    "241840b9 04ff2737"  # heard: tbnz again, while nothing has come
    "01e2a7d2 0340ab52 a3aa8072 232000b9"  # the power manager: partition 63 means off,
    "0340ab52 03048072 231c00b9 00000014"  # and this is the reset; b .
)
_UEFI = (
    "4883ec38 4889d3"  # sub rsp, 0x38; mov rbx, rdx: the system table
    "488b4b40 488d1537000000 ff5108"  # again: ConOut->OutputString(text)
    "488b4360 b9a0860100 ff90f8000000"  # BootServices->Stall(100000)
    "488b4b30 488d542428 ff5108 4885c0 75d2"  # ConIn->ReadKeyStroke(...); jnz again
    "488b4358 b902000000 31d2 4531c0 4531c9 ff5068"  # RuntimeServices->ResetSystem(EfiResetShutdown)
)


def bios_image(path: Path) -> Path:
    """A disk of 1 MiB whose first sector is a program, and that has no partitions."""
    code = bytes.fromhex(_BIOS) + BIOS_SAYS + b"\r\n\0"
    path.write_bytes(code.ljust(510, b"\0") + b"\x55\xaa" + bytes(MIB - 512))
    return path


def board_json(slug: str, arch: str) -> str:
    return json.dumps({"slug": slug, "arch": arch, "name": slug})


def pi_image(path: Path) -> Path:
    """A card of 8 MiB for a Raspberry Pi 3, with a kernel where its firmware looks for one."""
    kernel = bytes.fromhex(_PI) + PI_SAYS + b"\r\n\0"
    files = {"device-type.json": board_json("raspberrypi3-64", "aarch64"), "kernel8.img": kernel}
    return boot_image(path, files).path


def uefi_image(path: Path) -> Path:
    """A disk with a loader where UEFI looks for one."""
    disk_images.partitioned(path, 8 * MIB, "label: gpt\nstart=2048, size=12288, type=U, name=resin-boot\n")
    boot = make_fat(path, MIB, 6 * MIB, "resin-boot", cluster=1024)
    files = {"device-type.json": board_json("generic-amd64", "amd64"), "EFI/BOOT/BOOTX64.EFI": _program()}
    return boot.put(files).path


def _program() -> bytes:
    """A PE32+ file (Microsoft's PE format, UEFI 2.10 section 2.1.1) of one section, that lies at 0x1000."""
    code = bytes.fromhex(_UEFI) + (UEFI_SAYS.decode() + "\r\n\0").encode("utf-16-le")
    header = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    header += struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 240, 0x22E)
    header += struct.pack("<HBBIIIII", 0x20B, 1, 0, 0x200, 0, 0, 0x1000, 0x1000)
    header += struct.pack("<QIIHHHHHHI", 0, 0x1000, 0x200, 0, 0, 0, 0, 0, 0, 0)
    # An EFI application, without any of the sixteen directories.
    header += struct.pack("<IIIHHQQQQII", 0x2000, 0x200, 0, 10, 0, 0, 0, 0, 0, 0, 16) + bytes(16 * 8)
    header += struct.pack("<8sIIIIIIHHI", b".text", 0x200, 0x1000, 0x200, 0x200, 0, 0, 0, 0, 0xE0000020)
    return header.ljust(0x200, b"\0") + code.ljust(0x200, b"\0")


class Guest:
    """`resin emulate --json` that runs; `started` is its first event."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self.started: dict[str, Any] = {}
        self._console = -1

    def until(self, event: str, **fields: object) -> dict[str, Any]:
        """The next event of that name with those fields; the envelope, which has none, ends the waiting."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told: dict[str, Any] = json.loads(line)
            self.events.append(told)
            if told.get("event") == event and fields.items() <= told.items():
                return told
            assert "event" in told, told
        raise AssertionError(f"no {event} was told of: {self.events} {self.end()}")

    def hears(self, text: bytes, *, type: bytes = b"") -> None:
        """Wait until `text` comes over its console, then type."""
        # Open until the end: what was typed and not yet taken goes with the last who has it open.
        if self._console < 0:
            self._console = os.open(self.started["console"], os.O_RDWR | os.O_NOCTTY)
        found, deadline = b"", time.monotonic() + PATIENCE
        while text not in found:
            ready, _, _ = select.select([self._console], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, found
            found += os.read(self._console, 4096)
        os.write(self._console, type)

    def close(self) -> None:
        if self._console >= 0:
            os.close(self._console)
        self.process.kill()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> Run:
        """What it ended with: of stdout the envelope."""
        out, err = self.process.communicate(timeout=2 * PATIENCE)
        lines = [line for line in out.decode().splitlines() if '"event"' not in line]
        return Run(self.process.returncode, "\n".join(lines), err.decode())

    @property
    def emulators(self) -> list[int]:
        """The processes that `resin` has started and that still are."""
        return children_of(self.process.pid)


def children_of(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children")
    return [int(word) for word in listed.read_text().split()] if listed.exists() else []


@contextmanager
def emulated(
    *words: str | Path,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[Guest]:
    """`resin emulate WORDS`, started; each instruction is emulated, so that it is the same everywhere."""
    command = [*prefix, str(PROGRAM), "emulate", *map(str, words), "--no-kvm", "--json"]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment() if env is None else env,
    ) as process:
        guest = Guest(process)
        try:
            guest.started = guest.until("started")
            yield guest
        finally:
            guest.close()
