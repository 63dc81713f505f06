"""What the scripts of all shells are told: states that are broken, what a TAB opens, how a line is split."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.resin_command import program
from support.seen_devices import SERVICES
from support.shells import user

from resin_toolkit.cli.completion import Files, Folders, split_line
from resin_toolkit.cli.completion_values import device_types, distros
from resin_toolkit.cli.root import root_command
from resin_toolkit.device.service_cache import cache_services, cached_services


def asked(line: str, home: Path, **changes: str) -> list[str]:
    """What bash's script is told, with nothing on stderr."""
    env = user(home, _RESIN_COMPLETE="complete_bash", _RESIN_LINE=line, **changes)
    run = program(env=env, cwd=home)
    assert (run.code, run.err) == (0, "")
    return run.out.splitlines()[1:]


LINES = [
    *("resin ", "resin fl", "resin ps ", "resin ps kitchen ", "resin push --service ", "resin flash x /dev/"),
    *("resin configure x --set ", "resin init --device-type ", "resin ps 'a\"", "resin \\", "resin \udcff"),
    *(
        "resin ps --nonsense ",
        "resin image x y ",
        "resin ssh -L ",
        "resin rm a b c ",
        "resin ps =",
        "resin -",
    ),
]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"a.local": 5, "b": {"addresses": 7, "at": []}}']
)
def test_a_broken_state_does_no_harm(tmp_path: Path, content: bytes) -> None:
    state = tmp_path / ".local" / "state" / "resin"
    state.mkdir(parents=True)
    for name in ("devices.json", "services.json"):
        (state / name).write_bytes(content)
    for line in LINES:
        asked(line, tmp_path)
    assert asked("resin ps --al", tmp_path) == ["--all"]


def test_a_folder_for_a_state_file_and_a_home_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / ".local" / "state" / "resin" / "devices.json").mkdir(parents=True)
    assert asked("resin ps ", tmp_path) == []
    assert asked("resin ps ", tmp_path, HOME="/nonexistent") == []


def test_drives_are_those_that_may_be_flashed(tmp_path: Path) -> None:
    listed = program("drives", "--json").data["drives"]
    assert asked("resin flash x /dev/", tmp_path) == [drive["path"] for drive in listed]


def test_the_device_of_the_environment_and_of_the_project(tmp_path: Path) -> None:
    state = tmp_path / ".local" / "state" / "resin"
    state.mkdir(parents=True)
    (state / "services.json").write_text(json.dumps(SERVICES))
    assert asked("resin logs --service ", tmp_path, RESIN_DEVICE="garden") == ["radio"]
    (state / "projects.json").write_text(json.dumps({str(tmp_path.resolve()): {"device": "garden"}}))
    assert asked("resin logs --service ", tmp_path) == ["radio"]
    assert asked("resin logs kitchen --service ", tmp_path) == ["web", "database"]


def test_tab_opens_no_more_than_it_needs(tmp_path: Path) -> None:
    def loaded(line: str) -> set[str]:
        script = (
            "import os, sys; end = os._exit\n"
            "os._exit = lambda code: (print(*sys.modules, file=sys.stderr), end(code))\n"
            "from resin_toolkit.cli.main import main; main([])"
        )
        env = user(tmp_path, _RESIN_COMPLETE="complete_bash", _RESIN_LINE=line)
        return set(program(command=[sys.executable, "-c", script], env=env).err.split())

    assert not loaded("resin fl") & {"click", "typer", "json", "commands"}
    for line in ("resin ps ", "resin push --device-type r", "resin configure x --ho"):
        heavy = {
            "psutil",
            "docker",
            "paramiko",
            "zeroconf",
            "yaml",
            "tomllib",
            "image_tools.fat",
        }
        assert not loaded(line) & heavy, line


def test_the_light_readers_see_all_that_the_table_holds() -> None:
    from resin_toolkit.device import types as table

    assert device_types() == [known.slug for known in table.all_device_types()]
    assert distros() == list(table.distros())


def test_every_option_that_takes_a_file_offers_files() -> None:
    for command, parameter in _parameters(root_command(), "resin"):
        metavar = parameter.metavar or ""
        kind = Folders if metavar.strip("[]") == "DIR" else Files
        if metavar.startswith(("FILE", "IMAGE", "DIR", "[DIR")):
            offered = parameter.shell_complete(click.Context(click.Command(command)), "a")
            assert [type(item.value) for item in offered] == [kind], (command, parameter.name)


FREE_METAVARS = {
    *(
        "ADDRESS",
        "ADDRESS/PREFIX",
        "APN",
        "FINGERPRINT",
        "HEX",
        "K=V",
        "LIST",
        "N",
        "NUMBER",
        "PORT",
        "RE",
        "SECONDS",
        "SIZE",
    ),
    *("SERVERS", "SSID", "TEXT", "TIME", "URL", "XX", "[BIND:]PORT:HOST:HOSTPORT", "[HOST:]GUEST"),
}
"""What a value is called that is only known to the user."""
FREE_NAMES = {
    *("name", "entry", "hostname", "identity", "anonymous_identity", "gsm_username", "target"),
    *("path", "paths", "remove_connection"),
}
"""Names and paths that are only known once an image is opened, a device is asked or a file is parsed."""


def test_every_value_that_can_be_known_is_completed() -> None:
    for command, parameter in _parameters(root_command(), "resin"):
        if isinstance(parameter, click.Option) and parameter.is_flag:
            continue
        completes = getattr(parameter, "_custom_shell_complete", None) is not None
        is_free = parameter.metavar in FREE_METAVARS or parameter.name in FREE_NAMES
        assert completes or is_free or isinstance(parameter.type, click.Choice), (
            f"`{command}`: {parameter.name} has no completion. Pass autocompletion= with a function of "
            "commands/common/completions.py; if its values cannot be known, list it above this test."
        )


def _parameters(command: click.Command, path: str) -> Iterator[tuple[str, click.Parameter]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from _parameters(below, f"{path} {name}")
    else:
        yield from ((path, parameter) for parameter in command.params)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("resin ", (["resin"], "", 0)),
        ("resin  ps", (["resin"], "ps", 0)),
        ("resin a\\ b", (["resin"], "a b", 0)),
        ("resin 'a b' c", (["resin", "a b"], "c", 0)),
        ('resin "a\\"b', (["resin"], 'a"b', 0)),
        ("resin fe80:", (["resin"], "fe80:", 5)),
        ("resin --x=a:b", (["resin"], "--x=a:b", 6)),
        ("resin --x='a:b", (["resin"], "--x=a:b", 4)),
        ("resin ab'c", (["resin"], "abc", 2)),
        ("resin '' b", (["resin", ""], "b", 0)),
        ("resin a >>b", (["resin", "a", ">"], "b", 0)),
        ("resin a\\", (["resin"], "a", 0)),
    ],
)
def test_a_line_is_split_as_bash_does(line: str, expected: tuple[list[str], str, int]) -> None:
    assert split_line(line, " \t\n\"'@><=;|&(:") == expected


def test_services_are_kept_and_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    cache_services("kitchen.local", ["web", "web", ""])
    cache_services("kitchen.local", ["database"])
    assert cached_services("kitchen") == ["database", "web"]
    assert cached_services() == ["database", "web"]
    cache_services("kitchen.local", ["radio"], all_of_them=True)
    assert cached_services("tcp://kitchen.local:2375") == ["radio"]
    assert cached_services("kit") == cached_services("a:b:c") == []
