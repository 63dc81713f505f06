"""What a run loads before it does anything, a TAB too, and whose code that is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from support.boot_images import Boot
from support.cli_words import IMAGE_SUBCOMMANDS, NAMES, named_boot, shell  # noqa: F401 - fixtures
from support.resin_command import PROGRAM, environment, program

# completion


def completed(shell_name: str, line: str) -> list[str]:
    """What the shell is told that could come next."""
    words = line.split(" ")
    env = {
        "_RESIN_COMPLETE": f"complete_{shell_name}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1],
    }
    run = program(env=environment(**env))
    assert (run.code, run.err) == (0, ""), run
    if shell_name == "zsh":
        return re.findall(r'^(?:_arguments .*\(\()?"([^"]+)"', run.out, re.MULTILINE)
    return [line.split("\t")[0] for line in run.out.splitlines() if line]


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_completion(shell_name: str) -> None:
    assert completed(shell_name, "resin ") == NAMES
    assert completed(shell_name, "resin fl") == ["flash"]
    assert completed(shell_name, "resin image ") == IMAGE_SUBCOMMANDS
    assert completed(shell_name, "resin configure --hostn") == ["--hostname"]
    assert completed(shell_name, "resin image ls --rec") == ["--recursive"]
    assert completed(shell_name, "resin configure x --security ") == [
        *("wpa-psk", "sae", "open", "peap", "ttls", "tls")
    ]
    assert completed(shell_name, "resin configure x --unset os.ssh") == ["os.sshKeys"]
    assert completed(shell_name, "resin configure x --set persist") == ["persistentLogging="]
    assert completed(shell_name, "resin nonsense --x") == []


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_the_completion_script(shell_name: str) -> None:
    run = program(env=environment(_RESIN_COMPLETE=f"source_{shell_name}"))
    assert run.code == 0
    assert f"complete_{shell_name}" in run.out


def test_bash_completes_a_command_with_the_script() -> None:
    script = """
        PATH="$(dirname "$resin"):$PATH"
        eval "$(_RESIN_COMPLETE=source_bash "$resin")"
        COMP_LINE="resin conf" COMP_POINT=10
        "$(complete -p resin | sed 's/.*-F \\([^ ]*\\).*/\\1/')" resin conf resin
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = shell(script)
    assert (done.stdout, done.stderr) == ("configure\n", "")


# start-up

HEAVY = {"psutil", "pyudev", "tqdm", "zstandard", "xxhash", "rich", "pydantic"}


def loaded(words: list[str], **variables: str) -> set[str]:
    """The modules that a run has loaded at its end."""
    script = (
        "import atexit, os, sys\n"
        "def tell(*code):\n"
        "    sys.stderr.write('\\n'.join(sys.modules)); sys.stderr.flush()\n"
        "atexit.register(tell)\n"
        "end = os._exit\n"
        "os._exit = lambda code: (tell(), end(code))\n"
        "from resin_toolkit.cli.main import main\n"
        f"main({words!r})\n"
    )
    run = program(command=[sys.executable, "-c", script], env=environment(**variables))
    assert run.code == 0, run.err
    return set(run.err.splitlines())


def test_version_loads_next_to_nothing() -> None:
    modules = loaded(["--version"])
    assert "resin_toolkit.cli.main" in modules
    assert not modules & {*HEAVY, "typer", "click", "json", "commands", "image_tools"}


@pytest.mark.parametrize("words", [["--help"], ["configure", "--help"], ["image", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    modules = loaded(words)
    assert "typer" in modules
    assert not [name for name in modules if name.split(".")[0] in HEAVY]
    if words == ["--help"]:
        assert not {f"commands.{name}" for name in NAMES} & modules


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("line", ["resin fl", "resin configure --ho"])
def test_tab_loads_nothing_heavy(shell_name: str, line: str) -> None:
    modules = loaded(
        [],
        _RESIN_COMPLETE=f"complete_{shell_name}",
        COMP_WORDS=line,
        COMP_CWORD=str(line.count(" ")),
        _TYPER_COMPLETE_ARGS=line,
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    assert "typer" in modules
    assert not [name for name in modules if name.split(".")[0] in HEAVY]
    assert ("commands.configure.command" in modules) is ("configure" in line)
    assert "image_tools.fat" not in modules


def test_configure_loads_nothing_that_it_does_not_need(boot: Boot) -> None:
    words = ["configure", str(boot.path), "--hostname", "kitchen", "--ssid", "home"]
    modules = loaded(words, RESIN_WIFI_PASSPHRASE="secret of the house")
    assert "image_tools.fat" in modules
    unneeded = {*HEAVY, "zipfile", "image_tools.drives"}
    assert not modules & unneeded


# whose code runs

TRAP = "raise SystemExit('the code of the project was run')\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder that has packages of our names."""
    folder = tmp_path / "project"
    for name in ("commands", "image_tools"):
        (folder / name).mkdir(parents=True)
        for file in ("__init__", "configure", "image", "boot", "fat"):
            (folder / name / f"{file}.py").write_text(TRAP)
    return folder


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ([PROGRAM], {}),
        ([PROGRAM], {"PYTHONPATH": "."}),
        ([sys.executable, "-m", "resin_toolkit"], {}),
        ([sys.executable, "-m", "resin_toolkit"], {"PYTHONPATH": "."}),
    ],
    ids=["program", "program-path", "module", "module-path"],
)
def test_the_code_of_a_project_is_never_run(
    boot: Boot, project: Path, command: list[str | Path], variables: dict[str, str]
) -> None:
    for words in (["--help"], ["image", "ls", boot.path], ["configure", boot.path, "--hostname", "kitchen"]):
        run = program(*words, command=command, env=environment(**variables), cwd=project)
        assert run.code == 0, run
    for line in ("resin fl", "resin configure --ho"):
        env = environment(
            **variables, _RESIN_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(line.count(" "))
        )
        run = program(command=command, env=env, cwd=project)
        assert (run.code, run.err) == (0, "")


def test_a_module_of_a_project_is_not_taken_for_a_library(boot: Boot, project: Path) -> None:
    for name in ("typer", "click", "tqdm", "psutil"):
        (project / f"{name}.py").write_text(TRAP)
    command = [sys.executable, "-m", "resin_toolkit"]
    for words in (["--help"], ["image", "ls", boot.path]):
        run = program(*words, command=command, cwd=project)
        assert run.code == 0, run
