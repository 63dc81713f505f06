"""Random projects: files, a Dockerfile, and changes to them."""

from __future__ import annotations

import random

from resin_toolkit.live.mapping.actions import FileChange
from support.live_builds import Tree

_FILES = ("a", "b", "c.py", "d/a", "d/b", "d/c.py", "d/e/a", "d/e/f/a", "g/a", "g/c.py", "g/e/h", "[z]/a")
_SOURCES = (
    *(
        "a",
        "b",
        "d",
        "d/",
        ".",
        "./",
        "./d/e",
        "/g",
        "d/a",
        "d/../b",
        "*",
        "*.py",
        "[ab]",
        "d/*",
        "*/a",
        "?/e",
    ),
    *("*/[^a]*", "$DIR", "${NONE:-d/e}", "\\[z\\]", "a*", "d/e/f/a", "g/e", "c.py", "[[]z]/a"),
)
_DESTINATIONS = (
    *(
        ".",
        "./",
        "/x",
        "/x/",
        "/x/a",
        "x",
        "x/",
        "/y/z",
        "/y/z/",
        "../v/",
        "$TO/",
        "${TO}",
        "/",
        "/x/e",
        "/x/e/",
    ),
    *("/x/a/..", "/tmp", "./e/f/"),
)
_FLAGS = ("", "", "", "", "--chown=5:6 ", "--chown=7 ")


def random_project(chance: random.Random) -> tuple[str, Tree]:
    """A Dockerfile and its context; not every one can be built."""
    names = [name for name in _FILES if chance.random() < 0.75] or ["a"]
    tree = {name: f"{name} at first" for name in names}
    if chance.random() < 0.2:
        tree["d/link"] = "-> a"
    if chance.random() < 0.1:
        tree["l"] = "-> d"
    stages = chance.choice((1, 1, 2, 3))
    lines = ["ARG OUTER=/o"]
    for number in range(stages):
        lines += [*_stage(chance, number), ""]
    return "\n".join(lines) + "\n", tree


def _stage(chance: random.Random, number: int) -> list[str]:
    bases = ["stand-in", "stand-in", "scratch", *(f"s{other}" for other in range(number))]
    base = chance.choice(bases)
    lines = [f"FROM {base} AS s{number}", "ENV DIR=d", "ARG TO=/y"]
    if chance.random() < 0.6:
        lines.append(f"WORKDIR {chance.choice(('/x', '/x/e', 'w', '/y/'))}")
    for _ in range(chance.randint(1, 4)):
        lines.append(_instruction(chance, number, base))
    return lines


def _instruction(chance: random.Random, number: int, base: str) -> str:
    kind = chance.random()
    if kind < 0.06 and base == "stand-in":
        return chance.choice(("RUN true", "RUN mkdir -p /x /y/z", "RUN rm -rf /x/a"))
    if kind < 0.1:
        return chance.choice(("WORKDIR e", "ENV TO=/x", "ARG OUTER", "VOLUME /x/e", "WORKDIR /y/z", "CMD x"))
    flags, keyword = chance.choice(_FLAGS), "COPY"
    count = chance.choice((1, 1, 1, 2, 3))
    sources = [chance.choice(_SOURCES) for _ in range(count)]
    if number and kind < 0.5:
        flags += f"--from={chance.choice((f's{number - 1}', '0'))} "
        sources = [chance.choice(("x", "/x/", "/x/*", "/y/z", "/", "/x/a", "w", "[xy]", "/x/e/a"))]
    elif kind > 0.9:
        keyword = "ADD"
    destination = chance.choice(_DESTINATIONS)
    if len(sources) > 1 and not destination.endswith("/"):
        destination += "/"
    return f"{keyword} {flags}{' '.join([*sources, destination])}"


def random_change(chance: random.Random, tree: Tree) -> tuple[str, FileChange, Tree]:
    """A file that is changed, made or deleted, and the files afterwards."""
    kind = chance.random()
    plain = sorted(path for path in tree if not tree[path].startswith("-> "))
    if kind < 0.5:
        path = chance.choice(plain)
        return path, FileChange.CHANGED, {**tree, path: "other"}
    if kind < 0.75:
        path = chance.choice(plain)
        return path, FileChange.DELETED, {name: text for name, text in tree.items() if name != path}
    folder = chance.choice(("", "d/", "d/e/", "g/", "d/e/f/"))
    path = f"{folder}{chance.choice(('new', 'new.py', 'a', 'b'))}"
    taken = any(name.startswith(f"{path}/") for name in tree)
    return (
        (path, FileChange.CHANGED, {**tree, path: "new"}) if not taken else (path, FileChange.CHANGED, tree)
    )
