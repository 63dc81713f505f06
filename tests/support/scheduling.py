"""Which test files start first, which are spread over the workers, and which are quick.

`python tests/support/scheduling.py REPORT` rewrites the table of durations from a JUnit report.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

TESTS = Path(__file__).resolve().parent.parent
TABLE = TESTS / "durations.txt"
UNKNOWN, UNKNOWN_PRIVILEGED = 5.0, 40.0
"""Seconds assumed for a file that was never measured, and for one that starts engines or namespaces."""
QUICK = 12.0
"""Seconds that a file may take to be part of the quick run."""
INDEPENDENT = (
    "tests/commands/test_flash_command.py",
    "tests/image_tools/test_fat_random.py",
    "tests/image_tools/test_flash_stopped.py",
)
"""Long files whose tests share no costly fixture: each test goes to whichever worker is free."""
_PACKAGES = frozenset(path.name for path in TESTS.iterdir() if path.is_dir())
_PRIVILEGED = re.compile(
    r"""["'](losetup|unshare|nsenter|mount|umount|dockerd|docker|sshd|dropbear|avahi-daemon|dbus-daemon"""
    r"""|NetworkManager|qemu-system-\w+|debootstrap|cryptsetup|setpriv)["']|\b(chown|mknod|setns|umount2)\("""
)


class FileScheduling(LoadScopeScheduling):
    """Run the tests of a file in one worker, in order; those of an independent file in any."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        # The files are in the order in which they are to start, not by their number of tests.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if file in INDEPENDENT else file


@cache
def durations() -> dict[str, float]:
    """Seconds that each test file took, by its path from the checkout."""
    lines = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.exists() else []
    return {path: float(seconds) for seconds, path in (line.split() for line in lines)}


def seconds_of(path: Path) -> float:
    """How long a test file takes, as far as is known."""
    measured = durations().get(path.relative_to(TESTS.parent).as_posix())
    if measured is None:
        return UNKNOWN_PRIVILEGED if is_privileged(path) else UNKNOWN
    return measured


def is_quick(item: pytest.Item) -> bool:
    """Whether a test belongs to a file that is fast and uses nothing that needs root or an engine.

    The file counts with every helper that it imports, and with the fixtures that the test asks for.
    """
    if not is_quick_file(item.path) or item.get_closest_marker("root") is not None:
        return False
    info = getattr(item, "_fixtureinfo", None)
    found = info.name2fixturedefs.values() if info is not None else ()
    files = {Path(each[-1].func.__code__.co_filename) for each in found}
    return not any(is_privileged(file) for file in files if file.is_relative_to(TESTS))


def is_quick_file(path: Path) -> bool:
    """Whether tests of this file can be part of the quick run."""
    return seconds_of(path) <= QUICK and not is_privileged(path)


@cache
def is_privileged(path: Path) -> bool:
    """Whether a file of the tests, or one that it imports, starts what needs root or an engine."""
    return any(_PRIVILEGED.search(file.read_text(encoding="utf-8")) for file in with_imports(path))


@cache
def with_imports(path: Path) -> frozenset[Path]:
    """A file of the tests and all those of the tests that it imports, directly or not."""
    found = {path}
    left = [path]
    while left:
        for file in _imported(left.pop()) - found:
            found.add(file)
            left.append(file)
    return frozenset(found)


@cache
def _imported(path: Path) -> frozenset[Path]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = (name.split(".") for name in names if name.partition(".")[0] in _PACKAGES)
    files = (TESTS.joinpath(*parts).with_suffix(".py") for parts in ours)
    return frozenset(file for file in files if file.exists())


def write_table(report: Path) -> None:
    """Write how long each file took, longest first."""
    taken: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        parts = case.get("classname", "").split(".")
        while parts and not TESTS.parent.joinpath(*parts).with_suffix(".py").exists():
            parts.pop()
        if parts:
            taken["/".join(parts) + ".py"] += float(case.get("time", 0))  # type: ignore[assignment]
    rows = sorted(((seconds, path) for path, seconds in taken.items()), reverse=True)
    TABLE.write_text("".join(f"{seconds:.1f} {path}\n" for seconds, path in rows), encoding="utf-8")


if __name__ == "__main__":
    write_table(Path(sys.argv[1]))
