"""The lock files fit pyproject.toml, and name nothing that pip would take without comparing its hash."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from support.lock_files import FOLDER, LOCK_FILES, wanted
from test_structure import ROOMS, imports, room_of, sources

SYSTEMS = [
    {
        "sys_platform": system,
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.1",
    }
    for system, machine in (
        ("linux", "x86_64"),
        ("linux", "aarch64"),
        ("darwin", "arm64"),
        ("win32", "AMD64"),
    )
    for python in ("3.11", "3.12", "3.13", "3.14")
]
"""Where the tests may run: the part of a marker's environment that the lock files use."""


@dataclass(frozen=True)
class Locked:
    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def version(self) -> Version:
        [specifier] = self.requirement.specifier
        assert specifier.operator == "==", self.requirement
        return Version(specifier.version)


@cache
def locked(name: str) -> tuple[Locked, ...]:
    """The entries of a lock file; a package has several if its version depends on the system."""
    entries = []
    for line in (FOLDER / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        entries.append(Locked(Requirement(requirement), tuple(hashes)))
    return tuple(entries)


def requirements(name: str) -> list[Requirement]:
    """What pyproject.toml asks for of what a lock file holds."""
    return [Requirement(line) for group in LOCK_FILES[name] for line in wanted()[group]]


def applies(requirement: Requirement, system: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(system)


@pytest.mark.parametrize("name", LOCK_FILES)
def test_every_dependency_is_locked_at_a_version_that_is_admitted(name: str) -> None:
    for wish in requirements(name):
        for system in (each for each in SYSTEMS if applies(wish, each)):
            [entry] = [
                each
                for each in locked(name)
                if canonicalize_name(each.requirement.name) == canonicalize_name(wish.name)
                and applies(each.requirement, system)
            ]
            assert entry.version in wish.specifier, (wish, system)


@pytest.mark.parametrize("name", LOCK_FILES)
def test_every_entry_has_hashes_and_none_a_place_to_load_it_from(name: str) -> None:
    """An option such as an index would not be read as a requirement."""
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(LOCK_FILES)
    for entry in locked(name):
        assert entry.requirement.url is None
        assert entry.hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in entry.hashes), entry


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    oldest = {canonicalize_name(each.requirement.name): each.version for each in locked("oldest.txt")}
    for wish in requirements("oldest.txt"):
        [bound] = [Version(each.version) for each in wish.specifier if each.operator == ">="]
        assert oldest[canonicalize_name(wish.name)] == bound, wish


def test_every_library_that_is_imported_is_a_dependency() -> None:
    """Not only one of a dependency, which can drop it."""
    declared = {canonicalize_name(Requirement(line).name) for line in wanted()["project"]}
    used = {room_of(name) for module in sources() for name in imports(module, at_import_time=False)}
    distributions = packages_distributions()
    for name in used - ROOMS.keys() - sys.stdlib_module_names:
        assert declared & {canonicalize_name(each) for each in distributions[name]}, name
