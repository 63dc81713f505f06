"""How the house is built: which room may use which, and which library belongs to which file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import commands
import image_tools
import resin_toolkit

ROOMS = {
    package.__name__: Path(str(package.__file__)).parent for package in (commands, image_tools, resin_toolkit)
}
FOR_IMAGES = {
    "resin_toolkit.bounded_toml",
    "resin_toolkit.errors",
    "resin_toolkit.interruptible",
    "resin_toolkit.memory_limit",
    "resin_toolkit.progress",
    "resin_toolkit.os_release",
    "resin_toolkit.sudo_caller",
    "resin_toolkit.untrusted_json",
}
SCREEN = {"typer", "click"}
HANDING_ON = {
    "resin_toolkit.live.project_sync",
    "resin_toolkit.cli.main",
    "resin_toolkit.engine.transport.upload",
    "resin_toolkit.logs.worker_threads",
    "image_tools.flash.bmap_verifier",
    "image_tools.flash.pipeline",
    "image_tools.source.xz_parallel",
}


@cache
def sources() -> dict[str, Path]:
    """Every module of ours, by its name."""
    found = {}
    for room, folder in ROOMS.items():
        for path in folder.rglob("*.py"):
            parts = [room, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str, *, at_import_time: bool) -> frozenset[str]:
    """The modules that a module imports, without those for type checking only.

    `at_import_time` leaves out imports inside functions too.
    """
    tree = ast.parse(sources()[module].read_text(encoding="utf-8"))
    return frozenset(name for node in _nodes(tree, deep=not at_import_time) for name in _named(node, module))


def _nodes(tree: ast.AST, *, deep: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if deep or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from _nodes(node, deep=deep)


def _named(node: ast.AST, module: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{module} has a relative import"
        assert node.module is not None
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in sources() else node.module


def room_of(module: str) -> str:
    return module.partition(".")[0]


def users_of(libraries: set[str]) -> set[str]:
    """Our modules that import one of the libraries, early or late."""
    return {m for m in sources() if {room_of(name) for name in imports(m, at_import_time=False)} & libraries}


def test_the_rooms_are_all_here() -> None:
    assert {room_of(module) for module in sources()} == set(ROOMS)
    assert len(sources()) > 40
    assert "typer" in imports("resin_toolkit.cli.command", at_import_time=True)
    assert "resin_toolkit.cli.root" in imports("resin_toolkit.cli.main", at_import_time=False)
    assert "resin_toolkit.cli.root" not in imports("resin_toolkit.cli.main", at_import_time=True)


def test_the_image_half_uses_only_the_ground_that_it_shares() -> None:
    for module in sources():
        if room_of(module) == "image_tools":
            used = {n for n in imports(module, at_import_time=False) if room_of(n) in ROOMS}
            assert {name for name in used if room_of(name) != "image_tools"} <= FOR_IMAGES, module


def test_the_ground_uses_no_room() -> None:
    for module in sources():
        if room_of(module) == "resin_toolkit":
            used = {room_of(name) for name in imports(module, at_import_time=False)}
            assert not used & {"commands", "image_tools"}, module


def test_nothing_points_back_to_the_commands() -> None:
    for module in sources():
        if room_of(module) != "commands":
            names = imports(module, at_import_time=False)
            assert not {name for name in names if room_of(name) == "commands"}, module


@pytest.mark.parametrize("module", sorted(FOR_IMAGES))
def test_the_shared_ground_stands_on_nothing(module: str) -> None:
    used = {name for name in imports(module, at_import_time=False) if room_of(name) in ROOMS}
    assert used <= {"resin_toolkit.errors"} - {module}


def in_circles(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """What remains of a graph when everything that depends on nothing that remains is removed, repeatedly."""
    left = dict(graph)
    while free := [node for node, used in left.items() if not used & left.keys()]:
        for node in free:
            del left[node]
    return left


def package_of(module: str) -> str:
    """The package within a room; a module that lies directly in the room counts as a package of its own."""
    return ".".join(module.split(".")[:2])


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions count; those for type checking only do not."""
    used = {m: {n for n in imports(m, at_import_time=False) if n in sources()} - {m} for m in sources()}
    assert in_circles(used) == {}


def test_no_packages_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for module in sources():
        used = {package_of(n) for n in imports(module, at_import_time=False) if n in sources()}
        graph.setdefault(package_of(module), set()).update(used - {package_of(module)} - ROOMS.keys())
    assert in_circles(graph) == {}


UNVERIFIED = {
    r"\bTcpTransport\(": {"resin_toolkit.engine.connection"},
    r"\bconnect_unverified\(": {
        "resin_toolkit.engine.connection",
        "resin_toolkit.reach.device_info",
        "resin_toolkit.reach.identity",
    },
    r"\bfetch_host_key\(": {"resin_toolkit.ssh.connection", "resin_toolkit.reach.identity"},
    r"\bpin=(False|not |pin\b)": {
        "resin_toolkit.engine.connection",
        "resin_toolkit.engine.tcp_permission",
        "resin_toolkit.engine.transport.ssh_transport",
        "resin_toolkit.reach.device_info",
        "resin_toolkit.ssh.connection",
    },
}
"""Ways to connect to a device without comparing its host key, and the modules that may use them: to find out
what it is, or to compare the key."""


@pytest.mark.parametrize("way", UNVERIFIED)
def test_every_command_connects_to_devices_that_are_verified(way: str) -> None:
    users = {m for m, path in sources().items() if re.search(way, path.read_text(encoding="utf-8"))}
    assert users == UNVERIFIED[way]


@pytest.mark.parametrize(
    ("libraries", "rooms"),
    [
        ({"psutil", "pyudev"}, "image_tools.drives"),
        ({"tqdm"}, "resin_toolkit.terminal.progress_display"),
        ({"getpass"}, "resin_toolkit.terminal.report"),
        ({"zstandard"}, "image_tools.source resin_toolkit.push.transfer.decompression"),
        ({"xxhash"}, "image_tools.flash"),
        ({"zeroconf", "ifaddr"}, "resin_toolkit.discovery"),
        (
            {"docker", "requests", "urllib3"},
            "resin_toolkit.engine.credentials resin_toolkit.engine.workstation_engine",
        ),
        ({"paramiko", "cryptography"}, "resin_toolkit.ssh"),
        ({"yaml", "jsonschema"}, "resin_toolkit.compose"),
    ],
)
def test_a_library_belongs_to_one_place(libraries: set[str], rooms: str) -> None:
    """Or to two, of which neither may use the other."""
    users = users_of(libraries)
    for room in rooms.split():
        own = {module for module in users if module == room or module.startswith(f"{room}.")}
        assert own, room
        users -= own
    assert users == set()


def test_heavy_libraries_are_loaded_where_they_are_used() -> None:
    heavy = {"psutil", "pyudev", "tqdm", "zstandard", "xxhash", "rich", "zeroconf", "ifaddr"}
    heavy |= {"yaml", "jsonschema", "docker"}
    for module in sources():
        assert not {room_of(name) for name in imports(module, at_import_time=True)} & heavy, module


def test_paramiko_is_loaded_by_a_connection_and_not_before() -> None:
    """Modules of the shell may import it at once where they are themselves imported late."""
    reached = {m for m in sources() if not m.startswith("resin_toolkit.ssh.")} | {"resin_toolkit.ssh"}
    waiting = list(reached)
    while waiting:
        for name in imports(waiting.pop(), at_import_time=True) & sources().keys() - reached:
            reached.add(name)
            waiting.append(name)
    assert "resin_toolkit.ssh.connection" in reached
    for module in reached:
        early = {room_of(name) for name in imports(module, at_import_time=True)}
        assert not early & {"paramiko", "cryptography"}, module


def test_only_the_command_line_knows_its_framework() -> None:
    ground = {f"resin_toolkit.cli.{name}" for name in ("main", "root", "command")}
    assert {module for module in users_of(SCREEN) if room_of(module) != "commands"} <= ground


def test_only_the_report_speaks() -> None:
    """`print` stands nowhere else but in what has to work before the report is there."""
    for module, path in sources().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [
            n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        ]
        assert "print" not in calls or module == "resin_toolkit.cli.main", module


def test_nobody_catches_everything_and_goes_on() -> None:
    """But for the entry point, and for the threads that hand a failure to the one that waits for them."""
    for module, path in sources().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else ""
                goes_on = not any(isinstance(below, ast.Raise) for below in ast.walk(node))
                if caught in ("", "Exception", "BaseException") and goes_on:
                    assert module in HANDING_ON


def test_a_file_holds_one_idea() -> None:
    assert [m for m, path in sources().items() if len(path.read_text("utf-8").splitlines()) > 500] == []


def test_nothing_is_left_undone() -> None:
    for module, path in sources().items():
        text = path.read_text(encoding="utf-8")
        assert not [word for word in ("TODO", "FIXME", "raise NotImplementedError") if word in text], module
