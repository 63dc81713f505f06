"""The table, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from measure import Use
from os_image import MIB
from rows import Row, Uses


@dataclass(frozen=True)
class Line:
    """A row with its figure; with a reason instead where it was not run."""

    row: Row
    figure: float | None
    reason: str | None = None

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "FAIL" if self.reason and self.reason.endswith("failed") else "not run"
        if self.row.bar is None:
            return "no bar"
        return "pass" if self.figure <= self.row.bar else "FAIL"


def lines(rows: Sequence[Row], uses: Uses, missing: Mapping[str, str]) -> list[Line]:
    found = []
    for row in rows:
        reasons = [missing[name] for name in row.needs if name in missing]
        found.append(Line(row, None, reasons[0]) if reasons else Line(row, row.figure(uses)))
    return found


def table(found: Sequence[Line]) -> str:
    said = [f"{'what':72} {'bar':>8} {'figure':>8}"]
    for line in found:
        bar = "" if line.row.bar is None else f"{line.row.bar:g}"
        figure = "" if line.figure is None else f"{line.figure:.2f}"
        why = f": {line.reason}" if line.reason else ""
        name = f"{line.row.what}{', ' + line.row.unit if line.row.unit else ''}"
        said.append(f"{name:72} {bar:>8} {figure:>8}  {line.verdict}{why}")
    return "\n".join(said)


def run_table(uses: Uses) -> str:
    said = [f"{'run':28} {'median s':>8} {'CPU s':>6} {'MiB':>5} {'threads':>7}  seconds of each"]
    for name, found in uses.items():
        each = " ".join(f"{use.seconds:.2f}" for use in found)
        memory, threads = max(use.memory for use in found) // MIB, max(use.threads for use in found)
        cpu = median(use.cpu for use in found)
        extra = f"{cpu:6.2f} {memory:5} {threads:7}" if memory else f"{'':20}"
        said.append(f"{name:28} {median(use.seconds for use in found):8.2f} {extra}  {each}")
    return "\n".join(said)


def as_json(facts: Mapping[str, object], found: Sequence[Line], uses: Uses) -> dict[str, object]:
    return {
        **facts,
        "rows": [
            {
                "key": line.row.key,
                "what": line.row.what,
                "bar": line.row.bar,
                "figure": line.figure,
                "verdict": line.verdict,
                "reason": line.reason,
            }
            for line in found
        ],
        "runs": {name: [run_as_json(use) for use in found] for name, found in uses.items()},
    }


def run_as_json(use: Use) -> dict[str, float]:
    return {"seconds": use.seconds, "cpu": use.cpu, "memory": use.memory, "threads": use.threads}
