"""The generated parts of the Markdown files: each stands between two comments and is made from the program.

    <!-- generated: NAME -->
    …
    <!-- end -->

`tests/regenerate` writes them.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from faults.table import markdown as reliability_table
from support.resin_command import PROGRAM, environment

import commands
import image_tools
import resin_toolkit
from documentation.command_reference import markdown as command_reference
from image_tools.answers.schema import TABLES
from image_tools.answers.schema import markdown_table as answers_table
from image_tools.config import markdown_table as keys_table
from resin_toolkit.cli.command_table import COMMANDS

CHECKOUT = Path(__file__).parents[2]
COMMAND = "tests/regenerate"
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_TIMING = re.compile(r"in[\d.]+s\([\d.]+[KMG]iB/s\)")
TOUR = (
    "resin image info sample.img.xz",
    "resin flash sample.img.xz my.img --hostname kitchen --wifi --ssid Home --passphrase-file wifi.txt",
    "resin configure my.img --persistent-logging --set ntpServer=10.0.0.1 --dry-run",
    "resin configure my.img --check",
)

GROUND = {
    "bounded_toml",
    "errors",
    "interruptible",
    "memory_limit",
    "os_release",
    "progress",
    "state",
    "sudo_caller",
    "untrusted_json",
}
"""Modules of resin_toolkit that everything may use."""


def pages() -> list[Path]:
    """The Markdown files of the documentation."""
    return [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def blocks(text: str) -> dict[str, str]:
    """The generated parts of a page, by name."""
    return {match[2]: match[3] for match in _BLOCK.finditer(text)}


def regenerated(text: str) -> str:
    """A page with its generated parts brought up to date. Raises KeyError for a name without a generator."""

    def block(match: re.Match[str]) -> str:
        current = GENERATORS[match[2]]()
        same = without_timing(current) == without_timing(match[3])
        return match[1] + (match[3] if same else current) + match[4]

    return _BLOCK.sub(block, text)


def without_timing(text: str) -> str:
    """A generated part without white space and without how long something took."""
    return _TIMING.sub("", "".join(text.split()))


def commands_table() -> str:
    rows = ["| | command | what it does |", "| --- | --- | --- |"]
    for group in dict.fromkeys(entry.group for entry in COMMANDS):
        entries = [entry for entry in COMMANDS if entry.group == group]
        rows += [
            f"| {'' if at else group} | `{entry.name}` | {entry.help} |" for at, entry in enumerate(entries)
        ]
    return "".join(f"{row}\n" for row in rows)


def answers_tables() -> str:
    parts = ["At the top of the file:\n\n" + answers_table()]
    parts += [f"In `[{table}]`:\n\n" + answers_table(table) for table in TABLES]
    return "\n".join(parts)


def tour() -> str:
    """The commands of the tutorial's first part, with what they really print, without progress."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = files("image_tools").joinpath("data", "sample.img.xz").read_bytes()
        (folder / "sample.img.xz").write_bytes(sample)
        (folder / "wifi.txt").write_text("only an example\n")
        shown = ""
        for line in TOUR:
            done = subprocess.run(
                [PROGRAM, *shlex.split(line)[1:], "--quiet"],
                env=environment(LC_ALL="C.UTF-8", COLUMNS="100"),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=True,
            )
            shown += f"$ {line}\n{done.stdout.rstrip()}\n"
    return f"```\n{shown}```\n"


def package_graph() -> str:
    """The packages that use each other, as a Mermaid graph without the arrows that follow from others."""
    used = package_imports()
    reached = {package: _reached(used, package) for package in used}
    lines = ["```mermaid", "graph LR"]
    for package in sorted(used):
        indirect = {far for near in used[package] for far in reached[near]}
        lines += [f"  {package} --> {target}" for target in sorted(used[package] - indirect)]
    return "\n".join([*lines, "```", ""])


def _reached(used: Mapping[str, set[str]], package: str) -> set[str]:
    found: set[str] = set()
    waiting = list(used[package])
    while waiting:
        target = waiting.pop()
        if target not in found:
            found.add(target)
            waiting += used[target]
    return found


def package_imports() -> dict[str, set[str]]:
    """Which package imports which: `commands`, `image_tools`, and the packages of `resin_toolkit`."""
    used: dict[str, set[str]] = {}
    for package in (commands, image_tools, resin_toolkit):
        folder = Path(str(package.__file__)).parent
        for path in folder.rglob("*.py"):
            parts = (package.__name__, *path.relative_to(folder).with_suffix("").parts)
            own = _package(parts)
            if not own:
                continue
            targets = used.setdefault(own, set())
            for name in _imported(ast.parse(path.read_text(encoding="utf-8"))):
                target = _package(name.split("."))
                if target and target != own:
                    targets.add(target)
                    used.setdefault(target, set())
    return used


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from _imported(node)


def _package(parts: Sequence[str]) -> str:
    """The node of a module in the graph; empty for what is not ours."""
    if parts[0] != "resin_toolkit":
        return parts[0] if parts[0] in ("commands", "image_tools") else ""
    if len(parts) < 2 or parts[1].startswith("__"):
        return ""
    return "ground" if parts[1] in GROUND else parts[1]


GENERATORS: Mapping[str, Callable[[], str]] = {
    "commands": commands_table,
    "reference": command_reference,
    "keys": keys_table,
    "answers": answers_tables,
    "reliability": reliability_table,
    "tour": tour,
    "packages": package_graph,
}
