"""Where a fault is declared, beside the test that tries it, and the table that is made of all of them.

    @fault("flash", "the card is mounted", Exit.REFUSED, "refused", "refuses; nothing is written")
    def test_…(fault: Fault, …) -> None:
        fault.met(resin("flash", …, "--json"), "mounted")

`tests/regenerate` writes the table into docs/reference/reliability.md.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from support.resin_command import Run

Test = TypeVar("Test", bound=Callable[..., object])
MODULES = (
    *(
        "every_verb",
        "interrupts",
        "images",
        "boot_files",
        "configure",
        "drives",
        "flash",
        "drive_lies",
        "verify",
    ),
    *("demo", "init", "project", "push", "applications", "unreachable", "finding", "asking", "ssh", "power"),
    *("console", "doctor"),
)
"""The files that declare faults, `test_` left out, in the order of the table."""
OF_A_DEVICE = "push stop restart rm wait ps logs env ssh reboot reset"
CARRIES_ON = None
"""In the place of an error's code, where the work is done all the same."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong for one verb, and what has to come of it."""

    verb: str
    goes_wrong: str
    exit: int
    code: str | None
    does: str
    given: Any = field(default=None, compare=False)
    """What the test needs to try it."""

    def met(self, run: Run, *named: str) -> None:
        """Check that a run with --json ended as declared: a sentence that names these, and a hint."""
        assert run.code == self.exit, run
        assert "Traceback" not in run.err, run
        assert "Exception" not in run.err, run
        if self.code is None:
            return
        envelope = json.loads(run.out.splitlines()[-1])
        assert envelope["ok"] is False
        error = envelope["error"]
        assert error["code"] == self.code, run
        _is_said_well(error["message"], error["hint"], self.code)
        said = f"{error['message']} {error['hint']}"
        assert not [word for word in named if word not in said], said

    def met_in_text(self, run: Run, *named: str) -> None:
        """As `met`, of a run whose stdout could hold no JSON, or was not asked for it."""
        assert run.code == self.exit, run
        assert "Traceback" not in run.err, run
        errors = [line for line in run.err.splitlines() if line.startswith("error: ")]
        hints = [line for line in run.err.splitlines() if line.startswith("hint: ")]
        assert errors, run
        assert hints or self.code == "interrupted", run
        assert not [word for word in named if word not in run.err], run.err


def _is_said_well(message: str, hint: str, code: str) -> None:
    assert message.strip()[-1] in ".?", message
    assert "\x1b" not in message + hint
    assert hint.strip() or code == "interrupted", message


REGISTRY: dict[tuple[str, int], tuple[Fault, ...]] = {}
"""What each test declares, by its module and line."""


def fault(
    verbs: str, goes_wrong: str, exit: int, code: str | None, does: str, given: Any = None
) -> Callable[[Test], Test]:
    """Declare what the test below tries, for one verb or for several with spaces between.

    The test is run once for each verb, with the `Fault` as its argument `fault`. Several of these may stand
    above one test. Rows of the table of the same verbs and the same `does` become one.
    """

    def declare(test: Test) -> Test:
        declared = tuple(Fault(verb, goes_wrong, int(exit), code, does, given) for verb in verbs.split())
        test.faults = (*declared, *getattr(test, "faults", ()))  # type: ignore[attr-defined]
        REGISTRY[test.__module__.rpartition("test_")[2], test.__code__.co_firstlineno] = test.faults  # type: ignore[attr-defined]
        return test

    return declare


def everything() -> list[Fault]:
    """All that is declared, in the order of the table."""
    for name in MODULES:
        importlib.import_module(f"faults.test_{name}")
    keys = sorted(REGISTRY, key=lambda key: (MODULES.index(key[0]), key[1]))
    return [each for key in keys for each in REGISTRY[key]]


def markdown() -> str:
    """The table of docs/reference/reliability.md."""
    verbs: dict[tuple[str, str, int], list[str]] = {}
    for each in everything():
        of = verbs.setdefault((each.goes_wrong, each.does, each.exit), [])
        of.extend([each.verb] if each.verb not in of else [])
    rows: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for (goes_wrong, does, code), of in verbs.items():
        rows.setdefault((_listed(of), does), []).append((goes_wrong, code))
    lines = ["| command | what goes wrong | what resin does | exit code |", "| --- | --- | --- | --- |"]
    for (of_verbs, does), wrong in rows.items():
        codes = sorted({code for _, code in wrong})
        told = "; ".join(_with_code(text, code, codes) for text, code in wrong)
        lines.append(f"| {of_verbs} | {told} | {does} | {', '.join(map(str, codes))} |")
    return "\n".join(lines) + "\n"


def _with_code(text: str, code: int, codes: list[int]) -> str:
    """What goes wrong, with its exit code where the row has several."""
    return f"{text} ({code})" if len(codes) > 1 else text


def _listed(verbs: list[str]) -> str:
    from resin_toolkit.cli.verb_table import VERBS

    names = [entry.name for entry in VERBS]
    if set(verbs) == set(names):
        return "every command"
    if set(verbs) == set(OF_A_DEVICE.split()):
        return "every command that takes a device"
    return ", ".join(f"`{name}`" for name in sorted(verbs, key=names.index))
