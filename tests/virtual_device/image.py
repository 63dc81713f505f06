"""The image of a virtual resinOS device, which is made once and kept.

It is kept in the folder that VIRTUAL_DEVICE_CACHE names, else in one of /var/tmp: the tree of Debian's
packages, which takes minutes, and the image that is made of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device.desk import run

from virtual_device.making import MIB, RELEASE, ROOT, SYSTEM, make_disk, release

SUITE = "bookworm"
PACKAGES = (
    *("systemd", "systemd-sysv", "libpam-systemd", "systemd-timesyncd", "dbus", "udev", "kmod"),
    *("network-manager", "avahi-daemon", "openssh-server", "docker.io", "iproute2", "procps", "jq"),
    *("zstd", "linux-image-cloud-amd64"),
)
KEPT = Path(os.environ.get("VIRTUAL_DEVICE_CACHE", "/var/tmp/resin-virtual-device"))


def image() -> Path:
    """A development image that boots; it is made if it is not there yet."""
    sources = [Path(__file__).with_name("making.py"), *sorted(p for p in SYSTEM.rglob("*") if p.is_file())]
    made = KEPT / f"image-{_digest(_packages(), *(source.read_bytes() for source in sources))}.img"
    with _alone():
        if not made.exists():
            for old in KEPT.glob("image-*"):
                old.unlink()
            with tempfile.TemporaryDirectory(dir=KEPT, prefix="work-") as work:
                make_disk(_tree(), Path(work)).rename(made)
    return made


def production(disk: Path) -> None:
    """Turn a development image into a production one."""
    with tempfile.NamedTemporaryFile("w", suffix="-release") as file:
        file.write(release(development=False))
        file.flush()
        # debugfs(8) writes over no file that is there.
        place = f"{disk}?offset={ROOT.start * MIB}"
        run(["debugfs", "-w", "-f", "-", place], stdin=f"rm {RELEASE}\nwrite {file.name} {RELEASE}\n")


def _tree() -> Path:
    made = KEPT / f"tree-{_digest(_packages())}"
    if not made.exists():
        for old in (*KEPT.glob("tree-*"), KEPT / "new-tree"):
            shutil.rmtree(old, ignore_errors=True)
        wanted = f"--include={','.join(PACKAGES)}"
        run(["nice", "debootstrap", "--variant=minbase", wanted, SUITE, KEPT / "new-tree", _mirror()])
        (KEPT / "new-tree").rename(made)
    return made


def _mirror() -> str:
    """The repository that apt takes this machine's own packages from, preferably those of the suite."""
    form = "$(CODENAME) $(COMPONENT) $(REPO_URI)"
    lines = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).splitlines()
    found = [line.split() for line in lines]
    debian = [uri for suite, part, uri in found if part == "main" and suite == SUITE]
    # A newer Debian gets the suite from where it gets its own.
    debian += [uri for _, part, uri in found if part == "main" and "security" not in uri]
    if not debian:
        raise RuntimeError(f"apt is configured with no repository of Debian that could hold {SUITE}")
    return debian[0]


def _packages() -> bytes:
    return " ".join((SUITE, *PACKAGES)).encode()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


@contextmanager
def _alone() -> Iterator[None]:
    """Another run that needs it waits, and finds it made."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
