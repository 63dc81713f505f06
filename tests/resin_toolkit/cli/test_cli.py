"""What every command has in common: help, wrong usage, errors, JSON."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import click
import pytest
from support.boot_images import Boot
from support.cli_words import EVERY, NAMES, named_boot  # noqa: F401 - fixtures
from support.resin_command import PROGRAM, environment, program, resin

from resin_toolkit import __version__, errors
from resin_toolkit.cli.command_table import COMMANDS, CommandEntry
from resin_toolkit.cli.root import root_command
from resin_toolkit.errors import ResinError

# the table of commands, help, version


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_every_command_of_the_table_opens(command: CommandEntry) -> None:
    app = import_module(command.module).app
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
    """Its options and the number of its words are those of the command."""
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
        assert re.search(r"^  \[?IMAGE\]? +Image file, or ", resin(*words, "--help").out, re.MULTILINE)


def test_help_lists_every_command() -> None:
    text = resin("--help").out
    for entry in COMMANDS:
        assert f"  {entry.name} " in text


@pytest.mark.parametrize("words", [[], ["image"]])
def test_a_group_without_a_command_prints_its_help(words: list[str]) -> None:
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
def test_an_unknown_command(words: list[str], guess: str | None) -> None:
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


def test_the_shared_options_may_stand_before_the_command(boot: Boot) -> None:
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


def test_arguments_after_two_dashes_are_not_options() -> None:
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


def test_the_class_of_an_error_is_found_by_its_code() -> None:
    assert errors.error_class("config-invalid") is errors.ConfigInvalid
    assert errors.error_class("of a later version") is errors.InternalError


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


def test_a_bug_is_reported_in_one_sentence(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    from image_tools import boot_partition as module

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret that a defect might hold")

    monkeypatch.setattr(module, "open_boot", broken)
    run = resin("image", "ls", boot.path)
    assert run.code == 1
    assert run.err.splitlines()[0] == "error: resin failed because of a bug (ZeroDivisionError)."
    assert "--debug" in run.err
    assert "secret" not in run.err
    assert resin("image", "ls", boot.path, "--json").error["code"] == "internal"
    assert "ZeroDivisionError: a secret" in resin("image", "ls", boot.path, "--debug").err


def test_a_system_error_says_in_which_state_things_were_left(
    boot: Boot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that meets flash while it is written."""
    from image_tools.flash import image_feed as module

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
