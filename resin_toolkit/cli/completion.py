"""The protocol between resin and the completion scripts of the shells. It imports next to nothing.

The scripts in `completions/` pass the line in environment variables, so that another program called resin,
which does not know them, is never run with arguments. The answer is text: its first line is the kind
(`files`, `folders`, `nospace`, or empty), the others are values; for zsh and fish, a tab and a description
follow each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_COMPLETE = "_RESIN_COMPLETE"
_LINE = "_RESIN_LINE"
"""bash: the line up to the cursor, as typed."""
_BREAKS = "_RESIN_BREAKS"
"""bash: $COMP_WORDBREAKS, the characters that also separate words."""
_WORDS = "_RESIN_WORDS"
"""zsh and fish: the words up to the cursor, separated by U+001F."""
_SEPARATOR = "\x1f"


class Files(str):
    """A completion that stands for all files with this prefix."""


class Folders(str):
    """A completion that stands for all directories with this prefix."""


@dataclass(frozen=True)
class CompletionRequest:
    """The line up to the cursor, without the program's name and with quotes removed.

    `last` is the word being typed; bash keeps its first `kept` characters and replaces the rest.
    """

    shell: str
    words: tuple[str, ...]
    last: str
    kept: int = 0

    @property
    def option(self) -> str:
        """The `--option=` before the value in the same word; empty if there is none."""
        name, equals, _ = self.last.partition("=")
        return name + equals if equals and name.startswith("--") and "--" not in self.words else ""

    @property
    def names_file(self) -> bool:
        """Whether the word is the file of a redirection: `> FILE`."""
        return bool(self.words) and self.words[-1] in ("<", ">")


@dataclass(frozen=True)
class Completions:
    """Possible values, each with a description. `kind` is `files`, `folders` or empty."""

    values: Sequence[tuple[str, str]] = ()
    kind: str = ""


def parse_request(environment: Mapping[str, str]) -> CompletionRequest | None:
    """Read the request of a completion script; None if the environment holds none."""
    shell = environment.get(_COMPLETE, "").removeprefix("complete_")
    if shell == "bash" and _LINE in environment:
        words, last, kept = split_line(environment[_LINE], environment.get(_BREAKS, ""))
        return CompletionRequest(shell, tuple(words[1:]), last, kept)
    if shell in ("zsh", "fish") and _SEPARATOR in environment.get(_WORDS, ""):
        _, *words, last = environment[_WORDS].split(_SEPARATOR)
        return CompletionRequest(shell, tuple(words), split_line(last)[1] if shell == "fish" else last)
    return None


def complete_without_loading(request: CompletionRequest) -> Completions | None:
    """Complete what needs no command to be imported; None if one has to be."""
    from resin_toolkit.cli.command_table import COMMANDS

    if request.names_file:
        return Completions(kind="files")
    if not request.words and not request.last.startswith("-"):
        return Completions(
            [(entry.name, entry.help) for entry in COMMANDS if entry.name.startswith(request.last)]
        )
    name = next((word for word in request.words if not word.startswith("-")), None)
    known = name is None or any(entry.name == name for entry in COMMANDS)
    return None if known else Completions()


def format_completions(request: CompletionRequest, completions: Completions) -> str:
    """Format the answer for the shell."""
    kind = completions.kind
    if completions.values and all(value.endswith("=") for value, _ in completions.values):
        kind = "nospace"
    lines = [kind]
    for value, meaning in completions.values:
        if request.shell == "bash":
            lines.append((request.option + value)[request.kept :])
            continue
        whole = request.option + value if request.shell == "fish" else value
        lines.append(f"{whole}\t{' '.join(meaning.split())}" if meaning else whole)
    return "\n".join(lines) + "\n"


def split_line(line: str, breaks: str = "") -> tuple[list[str], str, int]:
    """Split a line that is being typed into its words, the last one, and how much of that one bash keeps.

    bash replaces only what follows one of `breaks`, or a quote that is still open.
    """
    words: list[str] = []
    word, quote, kept, quote_start, in_word = "", "", 0, 0, False
    characters = iter(line)
    for char in characters:
        if char == "\\" and quote != "'":
            word += next(characters, "")
            in_word = True
        elif quote:
            word, quote = (word, "") if char == quote else (word + char, quote)
        elif char in "'\"":
            quote, quote_start, in_word = char, len(word), True
        elif char.isspace() or char in "<>":
            words += [word] if in_word else []
            words += [char] if char in "<>" and words[-1:] != [char] else []
            word, kept, in_word = "", 0, False
        else:
            word += char
            in_word = True
            if char in breaks:
                kept = len(word)
    return words, word, quote_start if quote else kept
