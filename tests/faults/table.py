"""Declares faults beside the tests that cause them, and makes the reliability table of all of them.

    @fault("flash", "the card is mounted", Exit.REFUSED, "refused", "refuses; nothing is written")
    def test_…(fault: Fault, …) -> None:
        fault.met(resin("flash", …, "--json"), "mounted")

Any test file may declare faults; most are in tests/faults/. `tests/regenerate` writes the table into
docs/reference/reliability.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, TypeVar

from support.resin_command import Run

from resin_toolkit.cli.command_table import COMMANDS
from resin_toolkit.cli.root import load_command

Test = TypeVar("Test", bound=Callable[..., object])
TESTS = Path(__file__).parents[1]
CARRIES_ON = None
"""In place of an error's code: the command completes its work."""


@dataclass(frozen=True)
class Fault:
    """A fault that one command meets, and how it has to end."""

    command: str
    goes_wrong: str
    exit: int
    code: str | None
    does: str
    given: Any = field(default=None, compare=False)
    """What the test needs to cause it."""

    def met(self, run: Run, *named: str) -> None:
        """Check that a run with --json ended as declared, with a hint and an error that contains `named`."""
        assert run.code == self.exit, run
        assert "Traceback" not in run.err, run
        assert "Exception" not in run.err, run
        if self.code is None:
            return
        envelope = json.loads(run.out.splitlines()[-1])
        assert envelope["ok"] is False
        error = envelope["error"]
        assert error["code"] == self.code, run
        _check_wording(error["message"], error["hint"], self.code)
        text = f"{error['message']} {error['hint']}"
        assert not [word for word in named if word not in text], text

    def met_in_text(self, run: Run, *named: str) -> None:
        """As `met`, for a run without --json."""
        assert run.code == self.exit, run
        assert "Traceback" not in run.err, run
        errors = [line for line in run.err.splitlines() if line.startswith("error: ")]
        hints = [line for line in run.err.splitlines() if line.startswith("hint: ")]
        assert errors, run
        assert hints or self.code == "interrupted", run
        assert not [word for word in named if word not in run.err], run.err


def _check_wording(message: str, hint: str, code: str) -> None:
    assert message.strip()[-1] in ".?", message
    assert "\x1b" not in message + hint
    assert hint.strip() or code == "interrupted", message


REGISTRY: dict[tuple[str, int], tuple[Fault, ...]] = {}
"""What each test declares, by its file (from tests/) and line."""


def fault(
    commands: str, goes_wrong: str, exit: int, code: str | None, does: str, given: Any = None
) -> Callable[[Test], Test]:
    """Declare the fault that a test causes, for one command or for several, separated by spaces.

    The test runs once for each command, with the `Fault` as its argument `fault`. A test may have several of
    these decorators. In the table, faults of the same commands with the same `does` share a row.
    """

    def declare(test: Test) -> Test:
        declared = tuple(Fault(name, goes_wrong, int(exit), code, does, given) for name in commands.split())
        test.faults = (*declared, *getattr(test, "faults", ()))  # type: ignore[attr-defined]
        where = test.__code__  # type: ignore[attr-defined]
        file = Path(where.co_filename).resolve().relative_to(TESTS).as_posix()
        REGISTRY[file, where.co_firstlineno] = test.faults  # type: ignore[attr-defined]
        return test

    return declare


def commands_with_a_device() -> str:
    """The names of the commands that take a DEVICE, for `fault`."""
    return " ".join(
        entry.name for entry in COMMANDS if any(each.name == "device" for each in load_command(entry).params)
    )


def everything() -> list[Fault]:
    """All declared faults, by file and line."""
    for path in sorted(TESTS.rglob("test_*.py")):
        file = path.relative_to(TESTS).as_posix()
        if _declares_faults(path) and not any(file == known for known, _ in REGISTRY):
            _load(path)
    return [each for key in sorted(REGISTRY) for each in REGISTRY[key]]


def _declares_faults(path: Path) -> bool:
    return any(line.startswith("@fault(") for line in path.read_text(encoding="utf-8").splitlines())


def _load(path: Path) -> None:
    """Run a test file, whose decorators register its faults."""
    name = "_".join(path.relative_to(TESTS).with_suffix("").parts)
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)


def markdown() -> str:
    """The table of docs/reference/reliability.md: what several commands share, then each command's own."""
    commands: dict[tuple[str, str, int], list[str]] = {}
    for each in everything():
        of = commands.setdefault((each.goes_wrong, each.does, each.exit), [])
        of.extend([each.command] if each.command not in of else [])
    names = [entry.name for entry in COMMANDS]
    rows: dict[tuple[tuple[str, ...], str], list[tuple[str, int]]] = {}
    for (goes_wrong, does, code), found in commands.items():
        key = (tuple(sorted(found, key=names.index)), does)
        rows.setdefault(key, []).append((goes_wrong, code))
    lines = ["| command | fault | what resin does | exit code |", "| --- | --- | --- | --- |"]
    for (of, does), wrong in sorted(rows.items(), key=lambda row: _position(row[0][0], names)):
        codes = sorted({code for _, code in wrong})
        texts = "; ".join(_with_code(text, code, codes) for text, code in wrong)
        lines.append(f"| {_listed(of)} | {texts} | {does} | {', '.join(map(str, codes))} |")
    return "\n".join(lines) + "\n"


def _position(commands: tuple[str, ...], names: list[str]) -> tuple[bool, int, list[int]]:
    return len(commands) == 1, -len(commands), [names.index(name) for name in commands]


def _with_code(text: str, code: int, codes: list[int]) -> str:
    """The fault, with its exit code if the row has several."""
    return f"{text} ({code})" if len(codes) > 1 else text


def _listed(commands: tuple[str, ...]) -> str:
    if len(commands) == len(COMMANDS):
        return "every command"
    if set(commands) == set(commands_with_a_device().split()):
        return "every command that takes a device"
    return ", ".join(f"`{name}`" for name in commands)
