"""What a shell asks at TAB, and how it takes the answer. A user waits at each: this loads next to nothing.

The scripts in `completions/` give the line by environment variables, so that another program of our name,
which does not know them, is never given words to act on. The answer is lines: the first says how (`files`,
`folders`, `nospace`, or empty), the others are values, for zsh and fish with a tabulator and what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_COMPLETE = "_RESIN_COMPLETE"
_LINE = "_RESIN_LINE"
"""bash: the line up to the cursor, as it is typed."""
_BREAKS = "_RESIN_BREAKS"
"""bash: where it begins anew within a word, $COMP_WORDBREAKS."""
_WORDS = "_RESIN_WORDS"
"""zsh and fish: the words up to the cursor, with U+001F between them."""
_SEPARATOR = "\x1f"


class Files(str):
    """Among the values that a parameter offers: any file that begins like this."""


class Folders(str):
    """Among the values that a parameter offers: any folder that begins like this."""


@dataclass(frozen=True)
class CompletionRequest:
    """A line up to the cursor, without the name of the program and without quotes.

    `last` is the word that is being typed; the shell keeps its first `kept` characters as they are.
    """

    shell: str
    words: tuple[str, ...]
    last: str
    kept: int = 0

    @property
    def option(self) -> str:
        """What stands before the value in the same word: `--security=`; empty where nothing does."""
        name, equals, _ = self.last.partition("=")
        return name + equals if equals and name.startswith("--") and "--" not in self.words else ""

    @property
    def names_file(self) -> bool:
        """Whether the shell itself takes the word, for a file: `> FILE`."""
        return bool(self.words) and self.words[-1] in ("<", ">")


@dataclass(frozen=True)
class Completions:
    """What could come next: values, each with what it means, or names of `files` or `folders`."""

    values: Sequence[tuple[str, str]] = ()
    how: str = ""


def parse_request(environment: Mapping[str, str]) -> CompletionRequest | None:
    """What a script of ours asks; None where none does."""
    shell = environment.get(_COMPLETE, "").removeprefix("complete_")
    if shell == "bash" and _LINE in environment:
        words, last, kept = split_line(environment[_LINE], environment.get(_BREAKS, ""))
        return CompletionRequest(shell, tuple(words[1:]), last, kept)
    if shell in ("zsh", "fish") and _SEPARATOR in environment.get(_WORDS, ""):
        _, *words, last = environment[_WORDS].split(_SEPARATOR)
        return CompletionRequest(shell, tuple(words), split_line(last)[1] if shell == "fish" else last)
    return None


def complete_without_loading(request: CompletionRequest) -> Completions | None:
    """What is known without opening a verb; None where one has to be loaded."""
    from resin_toolkit.cli.verb_table import VERBS

    if request.names_file:
        return Completions(how="files")
    if not request.words and not request.last.startswith("-"):
        return Completions(
            [(entry.name, entry.help) for entry in VERBS if entry.name.startswith(request.last)]
        )
    verb = next((word for word in request.words if not word.startswith("-")), None)
    known = verb is None or any(entry.name == verb for entry in VERBS)
    return None if known else Completions()


def format_completions(request: CompletionRequest, completions: Completions) -> str:
    """The lines that the shell takes."""
    how = completions.how
    if completions.values and all(value.endswith("=") for value, _ in completions.values):
        how = "nospace"
    lines = [how]
    for value, meaning in completions.values:
        if request.shell == "bash":
            lines.append((request.option + value)[request.kept :])
            continue
        whole = request.option + value if request.shell == "fish" else value
        lines.append(f"{whole}\t{' '.join(meaning.split())}" if meaning else whole)
    return "\n".join(lines) + "\n"


def split_line(line: str, breaks: str = "") -> tuple[list[str], str, int]:
    """The words of a line that is being typed, its last one, and how much of that one bash keeps.

    bash gives to a word anew what follows one of `breaks`, or a quote that is still open.
    """
    words: list[str] = []
    word, quote, kept, opened, begun = "", "", 0, 0, False
    characters = iter(line)
    for char in characters:
        if char == "\\" and quote != "'":
            word += next(characters, "")
            begun = True
        elif quote:
            word, quote = (word, "") if char == quote else (word + char, quote)
        elif char in "'\"":
            quote, opened, begun = char, len(word), True
        elif char.isspace() or char in "<>":
            words += [word] if begun else []
            words += [char] if char in "<>" and words[-1:] != [char] else []
            word, kept, begun = "", 0, False
        else:
            word += char
            begun = True
            if char in breaks:
                kept = len(word)
    return words, word, opened if quote else kept
