"""The bars, and how each figure comes out of the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from measure import Use
from os_image import MIB, SIZE

GIB = 1024 * MIB
Uses = Mapping[str, Sequence[Use]]


@dataclass(frozen=True)
class Row:
    """A figure that is at most `bar`; `needs` are the contenders that it comes from."""

    key: str
    what: str
    needs: tuple[str, ...]
    bar: float | None
    figure: Callable[[Uses], float]
    unit: str = ""


def seconds(uses: Uses, name: str) -> float:
    return median(use.seconds for use in uses[name])


def ratio(key: str, what: str, ours: str, theirs: str, bar: float | None) -> Row:
    return Row(key, what, (ours, theirs), bar, lambda uses: seconds(uses, ours) / seconds(uses, theirs))


def peak_memory(key: str, what: str, names: tuple[str, ...], bar: float) -> Row:
    def figure(uses: Uses) -> float:
        return max(use.memory for name in names for use in uses[name]) / MIB

    return Row(key, what, names, bar, figure, "MiB")


def cpu(uses: Uses) -> float:
    return median(use.cpu for use in uses["resin raw --full"]) / (SIZE / GIB)


def four(uses: Uses) -> float:
    """How much longer four take than one, against how much longer the devices alone take."""
    ours = seconds(uses, "resin four") / seconds(uses, "resin one")
    return ours / (seconds(uses, "dd four") / seconds(uses, "dd one"))


def sd_row(form: str, bar: float | None, *, what: str = "") -> Row:
    words = f"{what or form}, trimmed, SD speed / dd + cmp of the mapped bytes"
    key = f"sd{form if form.startswith('.') else '.' + form}"
    return ratio(key, words, f"resin {form}, slow", "dd mapped, slow", bar)


def full_row(form: str) -> Row:
    words = f"{form}, data 80 % full, trimmed, SD speed / dd + cmp of the mapped bytes"
    key = f"full{form if form.startswith('.') else '.' + form}"
    return ratio(key, words, f"full resin {form}, slow", "full dd mapped, slow", 1.08)


LIGHT = tuple(f"resin {form}, slow" for form in ("raw", ".gz", ".zip", ".zst"))
ROWS = (
    sd_row("raw", 1.08),
    sd_row(".gz", 1.08),
    sd_row(".zip", 1.08),
    sd_row(".zst", 1.08),
    sd_row(".xz", 1.2),
    sd_row(".one.xz", None, what=".xz of one block"),
    full_row("raw"),
    full_row(".gz"),
    ratio("all", "raw, --full / dd + cmp of everything", "resin raw --full", "dd all", 0.95),
    ratio("bmap", "raw, --bmap / bmaptool, no read-back", "resin raw --bmap", "bmaptool raw", 1.3),
    ratio("xz", ".xz / bmaptool with the block map, no read-back", "resin xz", "bmaptool xz", 0.8),
    ratio("xz.bmap", ".xz, --bmap / bmaptool, no read-back", "resin xz --bmap", "bmaptool xz", None),
    peak_memory("memory", "peak memory, raw, .gz, .zip, .zst", (*LIGHT, "resin raw --full"), 160),
    peak_memory("memory.xz", "peak memory, .xz", ("resin .xz, slow", "resin xz"), 300),
    Row("cpu", "CPU seconds for each GiB, raw, --full", ("resin raw --full",), 0.7, cpu, "s"),
    Row("four", "four at once / one, against dd's", ("resin four", "resin one", "dd four", "dd one"),
        1.15, four),
    ratio("etcher", "raw, --full / Etcher's SDK", "resin raw --full", "etcher raw all", None),
    ratio("etcher.sd", "raw, trimmed, SD speed / Etcher's SDK, trimmed", "resin raw, slow",
          "etcher raw trimmed, slow", None),
)  # fmt: skip
QUICK = ("sd.raw", "sd.gz", "sd.xz", "all", "bmap", "xz", "memory.xz", "cpu", "four")
"""Without the image that is four fifths full, and with the forms that differ most."""


def chosen(keys: Sequence[str]) -> list[Row]:
    """The rows whose key, or its part before a dot, was named; all of them without names."""
    return [row for row in ROWS if not keys or row.key in keys or row.key.split(".")[0] in keys]
