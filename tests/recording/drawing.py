"""An SVG that moves by CSS alone, and needs no script: scenes on a terminal, in an endless loop.

A scene is a group that is shown for its time. In it lies, one upon the other, what each moment has changed: a
piece of text, upon a rectangle where something stood there before. All moments share one animation of the
length of the loop, each with a delay of its own; it shows them for half of the loop, which no scene outlasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from recording.camera import BLANK, Cell, Frame, Scene

Row = tuple[Cell, ...]
_WIDTH, _HEIGHT, _MARGIN, _BAR = 8, 17, 14, 30
_BASELINE = 13
_COLOURS = {
    "red": "#ff7b72", "green": "#7ee787", "brown": "#e3b341", "blue": "#79c0ff", "magenta": "#d2a8ff",
    "cyan": "#76e3ea", "black": "#8b949e", "brightblack": "#8b949e",
}  # fmt: skip
_STYLE = """\
svg{{font:13.3px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}}
text{{fill:#e6edf3}}.k,.m rect{{fill:#161b22}}.c{{fill:#e6edf3;opacity:.55}}.b{{font-weight:bold}}
rect,path{{shape-rendering:crispEdges}}
{colours}
.m{{animation:m {length}s step-end infinite}}
@keyframes m{{0%{{visibility:visible}}50%,100%{{visibility:hidden}}}}
.s{{opacity:0}}.s:last-of-type{{opacity:1}}
{scenes}
@media(prefers-reduced-motion:reduce){{*{{animation:none!important}}}}"""


def drawing(scenes: Sequence[Scene], length: float, title: str) -> str:
    """The SVG; `length` is the length of the loop in seconds, `title` describes it for screen readers."""
    first = scenes[0].frames[0]
    width = len(first.rows[0]) * _WIDTH + 2 * _MARGIN
    height = len(first.rows) * _HEIGHT + _MARGIN + _BAR
    starts = [scene.frames[0].at for scene in scenes]
    ends = [*starts[1:], length]
    if max(end - start for start, end in zip(starts, ends, strict=True)) >= length / 2:
        raise ValueError("a scene takes half of the loop or more: cut it in two")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img"><title>{escape(title)}</title>',
        f"<style>{_style(starts, ends, length)}</style>",
        f'<rect class="k" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" stroke="#6e7681"/>',
        *(f'<circle cx="{20 + 18 * at}" cy="17" r="5" fill="#6e7681"/>' for at in range(3)),
        f'<g transform="translate({_MARGIN} {_BAR})">',
        *(_scene(number, scene, length) for number, scene in enumerate(scenes)),
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"


def _style(starts: Sequence[float], ends: Sequence[float], length: float) -> str:
    shown = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        begin, stop = (f"{100 * at / length:.3f}".rstrip("0").rstrip(".") for at in (start, end))
        shown.append(f".s{number}{{animation:s{number} {length:g}s step-end infinite}}")
        before = "" if begin == "0" else "0%{opacity:0}"
        after = "100%{opacity:1}" if stop == "100" else f"{stop}%,100%{{opacity:0}}"
        shown.append(f"@keyframes s{number}{{{before}{begin}%{{opacity:1}}{after}}}")
    colours = "".join(f".{name}{{fill:{colour}}}" for name, colour in _COLOURS.items())
    return _STYLE.format(length=f"{length:g}", scenes="\n".join(shown), colours=colours)


def _scene(number: int, scene: Scene, length: float) -> str:
    blank = tuple(tuple(BLANK for _ in row) for row in scene.frames[0].rows)
    before = Frame(0, blank, None)
    moments = []
    for frame in scene.frames:
        drawn = "".join(_changes(before, frame))
        if drawn:
            moments.append(f'<g class="m" style="animation-delay:{frame.at - length:.2f}s">{drawn}</g>')
            before = frame
    return f'<g class="s s{number}">' + "\n".join(moments) + "</g>"


def _changes(before: Frame, now: Frame) -> Iterator[str]:
    """What has to be painted over `before`."""
    for y, (old, new) in enumerate(zip(before.rows, now.rows, strict=True)):
        changed = [x for x in range(len(new)) if old[x] != new[x] or _cursor_moved(before, now, x, y)]
        if changed:
            yield from _painted(old, new, y, changed[0], changed[-1] + 1, had_cursor=_is_in(before, y))
    if now.cursor is not None and now.cursor != before.cursor:
        x, y = now.cursor[0] * _WIDTH + 1, now.cursor[1] * _HEIGHT + 1
        yield f'<path class="c" d="M{x} {y}h{_WIDTH - 2}v{_HEIGHT - 2}h{2 - _WIDTH}z"/>'


def _cursor_moved(before: Frame, now: Frame, x: int, y: int) -> bool:
    return before.cursor == (x, y) and before.cursor != now.cursor


def _is_in(frame: Frame, y: int) -> bool:
    return frame.cursor is not None and frame.cursor[1] == y


def _painted(old: Row, new: Row, y: int, start: int, end: int, *, had_cursor: bool) -> Iterator[str]:
    if had_cursor or any(cell != BLANK for cell in old[start:end]):
        place = f'x="{start * _WIDTH}" y="{y * _HEIGHT}"'
        yield f'<rect {place} width="{(end - start) * _WIDTH}" height="{_HEIGHT}"/>'
    at = start
    for look, cells in groupby(new[start:end], key=lambda cell: cell[1:]):
        text = "".join(cell[0] for cell in cells)
        yield from _pieces(text, at, y, *look)
        at += len(text)


def _pieces(text: str, at: int, y: int, colour: str, bold: bool) -> Iterator[str]:
    """Split text at wide gaps, which a browser would collapse. Each piece is as wide as its cells."""
    names = [colour] * (colour in _COLOURS) + ["b"] * bold
    look = f' class="{" ".join(names)}"' if names else ""
    begin = 0
    for piece in text.split("  "):
        start = at + begin + len(piece) - len(piece.lstrip())
        begin += len(piece) + 2
        shown = piece.strip()
        if shown:
            width = f' textLength="{len(shown) * _WIDTH}"' if len(shown) > 1 else ""
            place = f'x="{start * _WIDTH}" y="{y * _HEIGHT + _BASELINE}"'
            yield f"<text {place}{width}{look}>{escape(shown, quote=False)}</text>"
