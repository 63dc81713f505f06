"""The image of a virtual resinOS device, which is built once and cached.

The cache is the folder VIRTUAL_DEVICE_CACHE, by default one in /var/tmp. It holds a root file system of
Debian packages, which takes minutes to build, and the image that is made from it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
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
# debootstrap mounts /proc and /sys in the new tree. In namespaces of its own, these mounts go with it; it is
# killed with whoever started it, so that it never writes into a tree that the next run builds.
_CONTAINED = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
)
CACHE = Path(os.environ.get("VIRTUAL_DEVICE_CACHE", "/var/tmp/resin-virtual-device"))


def image() -> Path:
    """Return a bootable development image; build it if it is not cached."""
    sources = [Path(__file__).with_name("making.py"), *sorted(p for p in SYSTEM.rglob("*") if p.is_file())]
    made = CACHE / f"image-{_digest(_packages(), *(source.read_bytes() for source in sources))}.img"
    with _locked():
        if not made.exists():
            for old in (*CACHE.glob("image-*"), *CACHE.glob("work-*")):
                remove_tree(old)
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="work-") as work:
                make_disk(_tree(), Path(work)).rename(made)
    return made


def production(disk: Path) -> None:
    """Turn a development image into a production one."""
    with tempfile.NamedTemporaryFile("w", suffix="-release") as file:
        file.write(release(development=False))
        file.flush()
        # debugfs(8) does not overwrite a file.
        place = f"{disk}?offset={ROOT.start * MIB}"
        run(["debugfs", "-w", "-f", "-", place], stdin=f"rm {RELEASE}\nwrite {file.name} {RELEASE}\n")


def _tree() -> Path:
    made = CACHE / f"tree-{_digest(_packages())}"
    if not made.exists():
        new = CACHE / "new-tree"
        for old in (*CACHE.glob("tree-*"), new):
            remove_tree(old)
        include = f"--include={','.join(PACKAGES)}"
        # Without the option, debootstrap goes on if it has no keys to check signatures with.
        options = ["--force-check-gpg", "--variant=minbase", include]
        run([*_CONTAINED, "nice", "debootstrap", *options, SUITE, new, _mirror()])
        new.rename(made)
    return made


def remove_tree(path: Path) -> None:
    """Remove a file or folder of an earlier build, which may have been killed while it had mounts in there.

    These are unmounted first. Nothing on another file system is ever deleted.
    """
    for mount_point in sorted(_mount_points_in(path), reverse=True):
        # Lazily, if a process still uses it: the path leads to the empty folder below from then on.
        if subprocess.run(["umount", mount_point], capture_output=True, check=False).returncode:
            run(["umount", "--lazy", mount_point])
    if left := _mount_points_in(path):
        raise RuntimeError(f"cannot remove {path}: still mounted: {left}")
    run(["rm", "--recursive", "--force", "--one-file-system", path])


def _mount_points_in(path: Path) -> list[str]:
    """The mount points at and below a path; one that is mounted over twice is listed twice."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # proc(5): the fifth field, with space, tab, newline and backslash as octal escapes.
    points = [re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split()[4]) for line in lines]
    top = path.parent.resolve() / path.name
    return [point for point in points if Path(point).is_relative_to(top)]


def _mirror() -> str:
    """The package repository that apt on this machine is configured with, preferably the one of the suite."""
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
def _locked() -> Iterator[None]:
    """Let another run that needs the image wait until it is built."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
