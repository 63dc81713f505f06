"""What every command has in common: help, exit codes, JSON, completion, start-up, and how a run ends."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from boot_images import Boot, boot_image
from resin_command import PROGRAM, Terminal, environment, program, resin

from resin_toolkit import __version__, errors
from resin_toolkit.errors import ResinError
from resin_toolkit.root import root_command
from resin_toolkit.verbs import VERBS

NAMES = [entry.name for entry in VERBS]
IMAGE_VERBS = ["info", "ls", "cat", "put", "get", "rm"]
EVERY = [[], *([name] for name in NAMES), *(["image", name] for name in IMAGE_VERBS)]


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    return boot_image(tmp_path / "image.img", {"config.json": '{"hostname": "old"}', "big": bytes(300_000)})


# the table of verbs, help, version


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_of_the_table_opens(name: str) -> None:
    app = import_module(f"commands.{name}").app
    assert app.registered_commands


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(words: list[str], option: str) -> None:
    run = resin(*words, option)
    assert run.code == 0
    assert run.err == ""
    assert run.out.startswith(f"Usage: {' '.join(['resin', *words])} ")
    assert "--json" in run.out
    assert max(map(len, run.out.splitlines())) <= 80


@pytest.mark.parametrize("words", EVERY[1:], ids=" ".join)
def test_examples_come_first_and_name_the_command(words: list[str]) -> None:
    text = resin(*words, "--help").out
    usage, examples, *rest = text.split("\n\n")
    assert usage.startswith("Usage: ")
    title, *lines = examples.splitlines()
    assert title == "  Examples:"
    assert all(f"resin {' '.join(words)}" in line for line in lines)
    assert any(part.startswith("Options:") for part in rest)
    assert "Examples:" not in "".join(rest)


@pytest.mark.parametrize("words", EVERY[1:], ids=" ".join)
def test_every_example_can_be_typed(words: list[str]) -> None:
    """Its options and the number of its words are those of the verb."""
    for line in resin(*words, "--help").out.split("\n\n")[1].splitlines()[1:]:
        found = re.search(r"resin ((?:[^\s'|;\")]|'[^']*'| (?!\|))+)", line)
        assert found is not None, line
        typed = shlex.split(found[1])
        command = root_command()
        for name in typed[: 2 if typed[0] == "image" else 1]:
            assert isinstance(command, click.Group)
            below = command.get_command(click.Context(command), name)
            assert below is not None
            command = below
        command.make_context("resin", typed[2 if typed[0] == "image" else 1 :])


def test_arguments_are_explained() -> None:
    for words in (["configure"], ["image", "ls"]):
        assert re.search(
            r"^  \[?IMAGE\]? +An image file, or a drive", resin(*words, "--help").out, re.MULTILINE
        )


def test_help_lists_every_verb() -> None:
    text = resin("--help").out
    for entry in VERBS:
        assert f"  {entry.name} " in text


@pytest.mark.parametrize("words", [[], ["image"]])
def test_a_group_without_a_verb_prints_its_help(words: list[str]) -> None:
    run = resin(*words)
    assert run.code == 2
    assert run.out == resin(*words, "--help").out
    assert run.err == ""
    assert resin(*words, "--json").error["code"] == "usage"


@pytest.mark.parametrize("words", [["--version"], ["-V"], ["--version", "--quiet"], ["--debug", "-V"]])
def test_version(words: list[str]) -> None:
    assert resin(*words) == type(resin("-V"))(0, f"resin {__version__}\n", "")


def test_version_in_json() -> None:
    assert resin("--version", "--json").data == {"version": __version__}


# wrong usage


@pytest.mark.parametrize(
    ("words", "guess"),
    [
        (["confgure"], "configure"),
        (["imge", "ls"], "image"),
        (["image", "inof"], "info"),
        (["image", "lss"], "ls"),
        (["zzzz"], None),
    ],
)
def test_an_unknown_verb(words: list[str], guess: str | None) -> None:
    run = resin(*words)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("error: No such command ")
    assert (f"Did you mean '{guess}'?" in run.err) is (guess is not None)
    assert "hint: Run `resin" in run.err
    assert resin(*words, "--json").error["code"] == "usage"


def test_an_unknown_option_is_guessed() -> None:
    run = resin("configure", "x.img", "--host-name", "a")
    assert run.code == 2
    assert "--hostname" in run.err


WRONG = [
    ["--nonsense"],
    ["configure"],
    ["configure", "a", "b"],
    ["configure", "a", "--partition", "one"],
    ["configure", "a", "--security", "wep"],
    ["image", "ls"],
    ["image", "ls", "--nonsense"],
    ["image", "cat", "a"],
    ["configure", "a", "--hostname"],
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_usage_in_json_wherever_the_option_stands(words: list[str]) -> None:
    for place in range(len(words) + 1):
        if words[place - 1 : place] == ["--hostname"]:
            continue
        run = resin(*words[:place], "--json", *words[place:])
        assert run.code == 2
        assert run.error["code"] == "usage"
        assert run.error["hint"]
        assert run.err == ""


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_usage_is_one_sentence_and_a_hint_on_stderr(words: list[str]) -> None:
    run = resin(*words)
    assert (run.code, run.out) == (2, "")
    lines = run.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]
    assert lines[0][-1] in ".?"


def test_the_shared_options_may_stand_before_the_verb(boot: Boot) -> None:
    last, first, middle = (
        resin(*words)
        for words in (
            ["image", "ls", boot.path, "--json"],
            ["--json", "image", "ls", boot.path],
            ["image", "--json", "ls", boot.path],
        )
    )
    assert last == first == middle
    assert last.envelope["command"] == "image ls"


def test_what_follows_two_dashes_is_no_option() -> None:
    run = resin("image", "ls", "--", "--json")
    assert run.code == 3
    assert "--json does not exist" in run.err
    assert run.out == ""


# errors


def _classes(base: type[ResinError]) -> list[type[ResinError]]:
    return [base, *(found for below in base.__subclasses__() for found in _classes(below))]


def test_every_failure_has_a_code_of_its_own() -> None:
    found = [kind for kind in _classes(ResinError) if kind.__module__ == errors.__name__]
    codes = [kind.code for kind in found]
    assert len(set(codes)) == len(codes) > 10
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


def test_a_traceback_only_with_debug(tmp_path: Path) -> None:
    words = ["configure", str(tmp_path / "missing.img"), "--hostname", "a"]
    plain = program(*words)
    assert plain.code == 3
    assert "Traceback" not in plain.err
    for run in (
        program(*words, "--debug"),
        program("--debug", *words),
        program(*words, env=environment(RESIN_DEBUG="1")),
    ):
        assert run.code == 3
        assert "Traceback" in run.err
        assert run.err.startswith(plain.err)
    assert "Traceback" not in program(*words, env=environment(RESIN_DEBUG="0")).err
    in_json = program(*words, "--json", "--debug")
    assert in_json.error["code"] == "file-not-found"
    assert "Traceback" in in_json.err


def test_a_defect_of_ours_ends_with_one_sentence_too(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    from image_tools import boot as module

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret that a defect might hold")

    monkeypatch.setattr(module, "open_boot", broken)
    run = resin("image", "ls", boot.path)
    assert run.code == 1
    assert run.err.splitlines()[0] == "error: resin met a defect of its own (ZeroDivisionError)."
    assert "--debug" in run.err
    assert "secret" not in run.err
    assert resin("image", "ls", boot.path, "--json").error["code"] == "internal"
    assert "ZeroDivisionError: a secret" in resin("image", "ls", boot.path, "--debug").err


def test_a_failure_of_the_system_says_what_state_it_leaves(
    boot: Boot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that meets flash while it is written."""
    from image_tools.flash import feed as module

    for shortage in (OSError(errno.ENOMEM, "Cannot allocate memory"), MemoryError()):

        def short(*_: object, shortage: BaseException = shortage) -> None:
            raise shortage

        monkeypatch.setattr(module, "extent_of", short)
        run = resin("flash", boot.path, tmp_path / "card.img")
        assert run.code == 1
        assert "cannot allocate memory" in run.err
        assert f"The partial file {tmp_path / 'card.img'} was removed." in run.err
        assert "ulimit" in run.err


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.img"
    for extra in ([], ["--json"]):
        done = subprocess.run([PROGRAM, "image", "ls", name, *extra], capture_output=True, check=False)
        assert done.returncode == 3
        assert b"caf" in done.stdout + done.stderr
        assert b"Traceback" not in done.stderr
        if extra:
            assert json.loads(done.stdout)["error"]["code"] == "file-not-found"


# how a run ends


def shell(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script of bash in which $resin is the program."""
    env = environment(resin=str(PROGRAM), **variables)
    words = ["bash", "-o", "pipefail", "-c", script]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "words",
    [
        "image ls $image",
        "image ls --json $image",
        "image cat $image /big",
        "image info $image",
        "configure $image --show",
        "--help",
        "--version",
        "image",
        "image nonsense --json",
    ],
)
def test_a_closed_pipe_is_no_failure_and_makes_no_noise(boot: Boot, words: str) -> None:
    done = shell(f'"$resin" {words} | head -c 0; echo "${{PIPESTATUS[0]}}"', image=str(boot.path))
    expected = "2" if words in ("image", "image nonsense --json") else "0"
    assert done.stdout.split()[-1] in ("0", expected)
    assert done.stderr == ""


def test_a_pipe_that_is_closed_before_anything_is_written(boot: Boot) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for words in (
        ["image", "cat", str(boot.path), "/big"],
        ["image", "ls", str(boot.path)],
        ["--help"],
        ["-V"],
    ):
        done = subprocess.run([PROGRAM, *words], stdout=writer, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(writer)


@pytest.mark.parametrize(
    "words", ["image ls $image", "image cat $image /big", "image info $image --json", "-V"]
)
def test_a_full_disk_behind_stdout_is_told(boot: Boot, words: str) -> None:
    done = shell(f'"$resin" {words} > /dev/full', image=str(boot.path))
    assert done.returncode == 1
    assert done.stderr.lower().startswith("error: stdout: no space left on device.")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_streams_that_are_closed(boot: Boot, closed: str) -> None:
    for words, code in (("image ls $image", 0), ("configure $image", 2), ("-V", 0)):
        done = shell(f'"$resin" {words} {closed}', image=str(boot.path))
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        assert "defect" not in done.stderr


def test_ctrl_c_ends_with_130(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path)
    terminal.until("Host name")
    os.kill(terminal.pid, signal.SIGINT)
    assert terminal.end() == 130
    assert "error: Interrupted" in terminal.plain
    assert "Traceback" not in terminal.plain


def test_no_color_and_dumb_terminals(boot: Boot) -> None:
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        terminal = Terminal("image", "info", boot.path, env=environment(**variables))
        assert terminal.end() == 0
        assert "\x1b[3" not in terminal.screen


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
    assert completed(shell_name, "resin image ") == IMAGE_VERBS
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


def test_bash_completes_a_verb_with_the_script() -> None:
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
        "from resin_toolkit.cli import main\n"
        f"main({words!r})\n"
    )
    run = program(command=[sys.executable, "-c", script], env=environment(**variables))
    assert run.code == 0, run.err
    return set(run.err.splitlines())


def test_version_loads_next_to_nothing() -> None:
    modules = loaded(["--version"])
    assert "resin_toolkit.cli" in modules
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
    assert ("commands.configure" in modules) is ("configure" in line)
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
