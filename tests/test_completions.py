"""TAB in bash, zsh and fish: what they offer, by the scripts as a user gets them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import click
import pytest
from resin_command import PROGRAM, program
from shells import SHELLS, Shell, shell, user

from resin_toolkit.completion import Files, Folders, split_line
from resin_toolkit.completion_values import device_types, distros
from resin_toolkit.known_services import keep_services, known_services
from resin_toolkit.root import root_command
from resin_toolkit.verbs import VERBS

SCRIPTS = {
    "bash": ("resin.bash", "share/bash-completion/completions/resin"),
    "zsh": ("_resin", "share/zsh/site-functions/_resin"),
    "fish": ("resin.fish", "share/fish/vendor_completions.d/resin.fish"),
}
INSTALLED = {
    "bash": ".local/share/bash-completion/completions/resin",
    "zsh": ".local/share/zsh/site-functions/_resin",
    "fish": ".config/fish/completions/resin.fish",
}
DEVICES = {
    "kitchen.local": {"addresses": ["192.168.1.7"], "at": "2026-11-04T00:00:00+00:00"},
    "garden.local": {"addresses": ["192.168.1.8"], "at": "2026-11-03T00:00:00+00:00"},
    "fe80::1%eth0": {"addresses": ["fe80::1%eth0"], "at": "2026-11-02T00:00:00+00:00"},
    "2001:db8::7": {"addresses": ["2001:db8::7"], "at": "2026-11-01T00:00:00+00:00"},
    "$(touch owned).local": {"addresses": [], "at": "2026-11-05T00:00:00+00:00"},
    "a b\\$(touch owned)`touch owned`": {"addresses": [], "at": "2026-11-05T00:00:00+00:00"},
}
SERVICES = {
    "garden.local": {"services": ["radio"], "at": "2026-11-01T00:00:00+00:00"},
    "kitchen.local": {"services": ["web", "database", "$(touch owned)"], "at": "2026-11-04T00:00:00+00:00"},
}


@pytest.fixture(scope="module", params=SHELLS)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell in a folder with files of odd names, whose user has seen some devices."""
    home = tmp_path_factory.mktemp(f"home-{request.param}")
    state, folder = home / ".local" / "state" / "resin", home / "work"
    for made in (state, folder / "my project", folder / "garden"):
        made.mkdir(parents=True)
    for name in ("a card.img", "b%c.img", "c:d.img", "e=f.img"):
        (folder / name).touch()
    (folder / "my project" / "compose.yaml").write_text(COMPOSE)
    (folder / "garden" / "compose.yaml").write_text(COMPOSE)
    (state / "devices.json").write_text(json.dumps(DEVICES))
    (state / "services.json").write_text(json.dumps(SERVICES))
    with shell(request.param, home, folder) as started:
        yield started
    assert not list(home.rglob("owned"))
    assert "Traceback" not in started.screen
    assert "rror" not in started.screen


COMPOSE = """\
version: "2.1"
# services: nothing
services:
  # the first
  front:
    image: web
    environment:
      deep: 1
  "back":   # quoted
    build: .

  store: {image: db}
volumes:
  none:
"""


def test_an_empty_word_and_the_start_of_a_verb(bench: Shell) -> None:
    assert bench.offers("resin ") == [entry.name for entry in VERBS]
    assert bench.offers("resin re") == ["restart", "reboot", "reset"]
    assert bench.offers("resin fl") == ["flash"]
    assert bench.offers("resin --quiet fl") == ["flash"]
    assert bench.offers("resin nonsense ") == []
    assert bench.offers(f"{PROGRAM} fl") == ["flash"]


def test_sub_verbs_and_options(bench: Shell) -> None:
    assert bench.offers("resin image ") == ["info", "ls", "cat", "put", "get", "rm"]
    assert bench.offers("resin image c") == ["cat"]
    assert bench.offers("resin image ls --rec") == ["--recursive"]
    assert bench.offers("resin configure x --hostn") == ["--hostname"]
    assert bench.offers("resin --install") == ["--install-completion"]


def test_the_values_of_an_option(bench: Shell) -> None:
    assert bench.offers("resin configure x --security s") == ["sae"]
    assert bench.offers("resin configure x --security=s") == ["--security=sae"]
    assert bench.offers("resin configure x --security ") == ["wpa-psk", "sae", "open", "peap", "ttls", "tls"]
    assert bench.offers("resin configure x --unset os.ssh") == ["os.sshKeys"]
    assert bench.offers("resin configure x --set persistentLogging=") == [
        *(
            ["persistentLogging=true", "false"]
            if bench.name == "bash"
            else ["persistentLogging=true", "persistentLogging=false"]
        )
    ]
    assert bench.offers("resin configure x --ssid ") == []
    assert bench.offers("resin env --shell f") == ["fish"]
    assert bench.offers("resin init --language ") == ["node", "python", "golang", "openjdk"]
    assert bench.offers("resin init --distro a") == ["alpine"]
    assert bench.offers("resin push --device-type intel-n") == ["intel-nuc"]
    assert bench.offers("resin init --device-type=intel-n") == ["--device-type=intel-nuc"]


def test_a_key_is_followed_by_its_value_without_a_space(bench: Shell) -> None:
    if bench.name == "fish":
        assert bench.offers("resin configure x --set persist") == ["persistentLogging="]
    else:
        line = "resin configure x --set persistentLogging="
        assert bench.tab("resin configure x --set persist") == line
        assert bench.tab("resin configure x --security=sa") == "resin configure x --security=sae "


def test_devices_seen_lately(bench: Shell) -> None:
    assert bench.offers("resin ps ") == ["kitchen", "garden", "fe80::1%eth0", "2001:db8::7"]
    assert bench.offers("resin ps kit") == ["kitchen"]
    assert bench.offers("resin ps kitchen.l") == ["kitchen.local"]
    assert bench.offers("resin wait ga") == ["garden"]
    for typed in ("fe", "fe80:", "fe80::", "fe80::1%"):
        assert bench.offers(f"resin ps {typed}") == ["fe80::1%eth0"]
    assert bench.offers("resin ps 2001:db8:") == ["2001:db8::7"]
    if bench.name != "fish":
        assert bench.tab('resin ps "fe80:') == 'resin ps "fe80::1%eth0" '
        assert bench.tab("resin ps 'fe80:") == "resin ps 'fe80::1%eth0' "
        assert shlex.split(bench.tab("resin ps kit'ch")) == ["resin", "ps", "kitchen"]


def test_after_two_dashes(bench: Shell) -> None:
    assert bench.offers("resin ps -- kit") == ["kitchen"]
    assert bench.offers("resin ps -- --al") == []
    assert bench.offers("resin ssh kitchen -- ") == []
    assert bench.offers("resin ssh -- kit") == []


def test_the_services_of_a_device(bench: Shell) -> None:
    assert bench.offers("resin ps garden ") == ["radio"]
    assert bench.offers("resin stop kitchen.local ") == ["web", "database"]
    assert bench.offers("resin logs --service ") == ["web", "database"]
    assert bench.offers("resin logs ssh://root@garden --service=") == ["--service=radio"]
    assert bench.offers("resin ssh nowhere --service ") == []


def test_the_services_of_a_project(bench: Shell) -> None:
    assert bench.offers("resin push --source garden --service ") == ["front", "back", "store"]
    assert bench.offers("resin push --source=garden --service fr") == ["front"]
    assert bench.offers("resin push --service ") == ["web", "database"]


def test_files_of_odd_names(bench: Shell) -> None:
    assert bench.offers("resin flash a") == ["a card.img"]
    assert bench.offers("resin flash b") == ["b%c.img"]
    assert bench.offers("resin image info c") == ["c:d.img"]
    assert bench.offers("resin emulate c") == ["c:d.img"]
    assert bench.offers("resin emulate x --kernel e") == ["e=f.img"]
    assert bench.offers("resin verify x e") == ["e=f.img"]
    assert bench.offers("resin configure x --output b") == ["b%c.img"]
    assert bench.offers("resin configure x --output=b") == ["--output=b%c.img"]
    assert bench.offers("resin configure x --passphrase-file a") == ["a card.img"]
    assert [found.rstrip("/") for found in bench.offers("resin push --source m")] == ["my project"]
    assert bench.offers("resin init b") == []
    if bench.name != "fish":
        assert bench.tab("resin flash a\\ ") == "resin flash a\\ card.img "
        assert bench.tab("resin flash 'a c") == "resin flash 'a card.img' "


# what all shells share


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
    (tmp_path / ".resin").mkdir()
    (tmp_path / ".resin" / "device").write_text("garden\n")
    assert asked("resin logs --service ", tmp_path) == ["radio"]
    assert asked("resin logs kitchen --service ", tmp_path) == ["web", "database"]


def test_tab_opens_no_more_than_it_needs(tmp_path: Path) -> None:
    def loaded(line: str) -> set[str]:
        script = (
            "import os, sys; end = os._exit\n"
            "os._exit = lambda code: (print(*sys.modules, file=sys.stderr), end(code))\n"
            "from resin_toolkit.cli import main; main([])"
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
    from resin_toolkit import device_types as table

    assert device_types() == [known.slug for known in table.all_device_types()]
    assert distros() == list(table.distros())


def test_every_option_that_takes_a_file_offers_files() -> None:
    for command, parameter in _parameters(root_command(), "resin"):
        metavar = parameter.metavar or ""
        kind = Folders if metavar.strip("[]") == "DIR" else Files
        if metavar.startswith(("FILE", "IMAGE", "DIR", "[DIR")):
            offered = parameter.shell_complete(click.Context(click.Command(command)), "a")
            assert [type(item.value) for item in offered] == [kind], (command, parameter.name)


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
    keep_services("kitchen.local", ["web", "web", ""])
    keep_services("kitchen.local", ["database"])
    assert known_services("kitchen") == ["database", "web"]
    assert known_services() == ["database", "web"]
    keep_services("kitchen.local", ["radio"], all_of_them=True)
    assert known_services("tcp://kitchen.local:2375") == ["radio"]
    assert known_services("kit") == known_services("a:b:c") == []


# the scripts


@pytest.mark.parametrize("name", SHELLS)
def test_nothing_is_run_before_a_tab(name: str, tmp_path: Path) -> None:
    trap = tmp_path / "resin"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    trap.chmod(0o755)
    with shell(name, tmp_path, tmp_path, PATH=f"{tmp_path}:{PROGRAM.parent}:{os.environ['PATH']}") as started:
        assert not (tmp_path / "ran").exists()
        started.offers("resin p")
        assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", SHELLS)
def test_another_program_of_the_name_is_given_no_words(name: str, tmp_path: Path) -> None:
    other = tmp_path / "other" / "resin"
    other.parent.mkdir()
    other.write_text(f'#!/bin/sh\necho "$#" >>{tmp_path}/count\necho oops >&2\nexit 3\n')
    other.chmod(0o755)
    with shell(name, tmp_path, tmp_path) as started:
        # bash-completion first has to have loaded the script, for bash to take it for a path.
        assert started.offers("resin fl") == ["flash"]
        assert started.offers(f"{other} rm kitchen ") == []
        assert "oops" not in started.screen
    assert set((tmp_path / "count").read_text().split()) == {"0"}


@pytest.mark.parametrize("name", SHELLS)
def test_a_wheel_brings_the_scripts_to_where_the_shells_look(name: str) -> None:
    file, shared = SCRIPTS[name]
    placed = Path(sys.prefix) / shared
    listed = [
        entry for entry in distribution("resin-toolkit").files or [] if entry.as_posix().endswith(shared)
    ]
    assert [Path(str(entry.locate())).resolve() for entry in listed] == [placed.resolve()]
    assert placed.read_text() == (Path(__file__).parent.parent / "completions" / file).read_text()


@pytest.mark.parametrize("name", SHELLS)
def test_installing_and_showing(name: str, tmp_path: Path) -> None:
    script = (Path(sys.prefix) / SCRIPTS[name][1]).read_text()
    mine = user(tmp_path, SHELL=f"/usr/bin/{name}")
    assert program("--show-completion", env=mine).out.rstrip() == script.rstrip()
    assert program(env={**mine, "_RESIN_COMPLETE": f"source_{name}"}).out == script
    run = program("--install-completion", "--json", env=mine)
    assert run.data == {"shell": name, "files": [str(tmp_path / INSTALLED[name])]}
    assert (tmp_path / INSTALLED[name]).read_text() == script
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / INSTALLED[name]]


@pytest.mark.parametrize(("name", "old"), [("bash", ".bash_completions/resin.sh"), ("zsh", ".zfunc/_resin")])
def test_the_script_of_an_earlier_version_is_replaced(name: str, old: str, tmp_path: Path) -> None:
    before = tmp_path / old
    before.parent.mkdir()
    before.write_text("old\n")
    assert program("--install-completion", env=user(tmp_path, SHELL=name)).code == 0
    assert before.read_text() == (tmp_path / INSTALLED[name]).read_text()


def test_a_shell_that_there_is_no_script_for(tmp_path: Path) -> None:
    run = program("--install-completion", "--json", env=user(tmp_path, SHELL="/bin/tcsh"))
    assert (run.code, run.error["code"]) == (2, "bad-value")
    assert "tcsh" in run.error["message"]


def test_the_shell_is_the_one_that_resin_is_started_from(tmp_path: Path) -> None:
    """Whatever $SHELL says, which names the one of the login."""
    for name in SHELLS:
        path = shutil.which(name)
        assert path is not None
        done = subprocess.run(
            [path, "-c", f"{PROGRAM} --install-completion --json; true"],
            env=user(tmp_path, SHELL="/bin/tcsh"), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout)["data"]["shell"] == name
