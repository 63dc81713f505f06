"""`resin doctor`: check what this machine is missing for each command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from resin_toolkit.cli.command import single_command
from resin_toolkit.errors import Exit
from resin_toolkit.terminal.screen import Screen, clean

if TYPE_CHECKING:
    from resin_toolkit.doctor.findings import Finding

EXAMPLES = """\b
Examples:
  resin doctor
  resin doctor --json
"""


@dataclass(frozen=True)
class Diagnosis:
    """The findings of all checks; if something is missing, the exit code is 1."""

    findings: tuple[Finding, ...]

    @property
    def exit(self) -> Exit:
        return Exit.FAILED if any(found.status.value == "missing" for found in self.findings) else Exit.DONE

    def data(self) -> Mapping[str, object]:
        return {
            "findings": [
                {
                    "check": found.check,
                    "status": found.status.value,
                    "commands": list(found.commands),
                    "message": clean(found.message),
                    "remedy": clean(found.remedy),
                }
                for found in self.findings
            ]
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        lines = []
        for found in self.findings:
            lines.append(f"{found.status.value:9}{found.message}")
            if found.status.value != "ok":
                lines.append(f"{'':9}for: {', '.join(found.commands)}")
                lines.append(f"{'':9}{found.remedy}")
        return clean("\n".join(lines))


def doctor(context: typer.Context) -> Diagnosis:  # noqa: ARG001
    """Check this machine: network, mDNS, permissions and programs. Changes nothing."""
    from resin_toolkit.doctor.checks import run_checks

    return Diagnosis(run_checks())


app = single_command(doctor, epilog=EXAMPLES)
