"""An image for the containers of stand-in devices: nothing but busybox."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

NAME = "stand-in"


def busybox_tar() -> bytes:
    """A root file system, for `docker import`: busybox under each of its names."""
    program = _program()
    names = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for folder in ("bin", "dev", "etc", "proc", "root", "sys", "tmp"):
            _add(archive, folder, tarfile.DIRTYPE)
        _add(archive, "bin/busybox", tarfile.REGTYPE, data=program.read_bytes())
        for name in names:
            if name != "busybox":
                _add(archive, f"bin/{name}", tarfile.SYMTYPE, target="busybox")
        for library in _libraries(program):
            _add(archive, library.lstrip("/"), tarfile.REGTYPE, data=Path(library).read_bytes())
        _add(archive, "etc/passwd", tarfile.REGTYPE, data=b"root::0:0:root:/root:/bin/sh\n")
    return content.getvalue()


def _program() -> Path:
    for place in ("/usr/bin/busybox", "/bin/busybox"):
        if Path(place).exists():
            return Path(place)
    raise FileNotFoundError("busybox is missing: install busybox-static")


def _libraries(program: Path) -> list[str]:
    """What it is linked to, nothing if it is a static one (ldd(1): `libm.so.6 => /lib/libm.so.6 (0x…)`)."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [word for line in shown.splitlines() for word in line.split() if word.startswith("/")]


def _add(archive: tarfile.TarFile, name: str, kind: bytes, *, data: bytes = b"", target: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname, entry.size = kind, 0o755, target, len(data)
    archive.addfile(entry, io.BytesIO(data))
