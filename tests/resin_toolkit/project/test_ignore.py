"""What `.dockerignore` leaves out: each rule that Docker documents, and random ones beside docker itself."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sent_contexts import (
    BuildServer,
    build_server,
    docker_build,
    docker_programs,
    docker_release,
    docker_sends,
    unpacked,
)

from resin_toolkit.errors import BadValue
from resin_toolkit.project.context import BuildContext
from resin_toolkit.project.ignore import IgnoreRules, read_ignore_rules

# The rules, what they leave out and what they do not.
CASES: dict[str, tuple[str, str, str]] = {
    "no rules": ("", "", "a a/b Dockerfile"),
    "comment": ("# comment\n#a\n", "", "a #a"),
    "comment inside": ("a #b\n", "", "a b"),
    "no comment behind a space": (" #a\n", "#a", "a"),
    "escaped number sign": ("\\#a\n", "#a", "a"),
    "blank lines": ("\n  \n\t\na\n\n", "a", "b"),
    "spaces around": ("  a  \n\tb\t\r\n", "a b", "c"),
    "byte order mark": ("\ufeffa\nb", "a b", "c"),
    "byte order mark before a comment": ("\ufeff#a", "", "a #a"),
    "depth of one": ("*/temp*", "x/temp x/temporary.txt x/temp/y", "temp x/y/temp"),
    "depth of two": ("*/*/temp*", "x/y/temp x/y/tempus", "x/temp temp"),
    "one character": ("temp?", "tempa tempb tempa/x", "temp tempab x/tempa"),
    "two stars": ("**/*.go", "a.go x/a.go x/y/a.go", "a.c x/go"),
    "two stars alone": ("**", "a a/b", ""),
    "two stars below": ("a/**", "a/b a/b/c", "a b ab"),
    "two stars at the end after a name": ("a\nab**", "a ab abc ab/c", "b xab"),
    "two stars between": ("a/**/z", "a/z a/b/z a/b/c/z a/b/z/q", "z b/a/z a/bz"),
    "two stars before a name": ("**/foo", "foo a/foo a/b/foo a/foo/b", "afoo a/bfoo"),
    "slashes around": ("/a/b/\n", "a/b a/b/c", "a x/a/b b"),
    "leading slash": ("/foo\n//bar\n", "foo bar", "x/foo"),
    "only at the top": ("foo", "foo foo/a", "x/foo"),
    "dots": ("./a/../b\n", "b b/c", "a a/b"),
    "above the folder": ("../a", "", "a x/a"),
    "the folder itself": (".\n/\n", "", "a b/c"),
    "exception": ("*.md\n!README.md", "a.md", "README.md x/a.md"),
    "last one wins": (
        "*.md\n!README*.md\nREADME-secret.md",
        "a.md README-secret.md",
        "README.md README-x.md",
    ),
    "last exception wins": ("*.md\nREADME-secret.md\n!README*.md", "a.md", "README.md README-secret.md"),
    "all but": ("*\n!src\n!a/b\n", "x a a/c y/z", "src src/x a/b a/b/c"),
    "folder below an exception": ("*\n!src\nsrc/tmp\n", "src/tmp src/tmp/x x", "src src/y"),
    "exception anywhere": ("*\n!**/*.py\n", "a a/b a/b/c b.pyc", "a.py x/a.py x/y/a.py"),
    "exception with a slash": ("*\n!/a/\n", "b", "a a/b"),
    "exception with a space": ("*\n!  a\n", "b", "a"),
    "escaped exclamation": ("\\!a\n", "!a", "a"),
    "exclamation twice": ("!*\n*\n!!a\n", "a", "!a"),
    "class": ("[ab].txt\n", "a.txt b.txt", "c.txt ab.txt"),
    "range": ("[a-c]x\n", "ax bx cx", "dx x"),
    "negated class": ("x[^a-c]\n", "xd", "xa xb"),
    "no shell's negation": ("x[!a]\n", "xa x!", "xb"),
    "class with a bracket": ("[\\]a]x\n[[]y\n", "]x ax [y", "bx y"),
    "named class": ("[[:digit:]]x\n", "1x", "ax :x"),
    "star stops at a slash": ("a*z\n", "az abz", "a/z ab/z"),
    "dot is a dot": ("a.b\na*.c", "a.b ax.c", "axb axc"),
    "signs of expressions": ("a+(b)|{c}$*\n", "a+(b)|{c}$ a+(b)|{c}$d", "aa+(b) c"),
    "escaped star": ("\\*\n", "*", "a ab"),
    "case": ("Foo", "Foo", "foo FOO"),
    "below a match": ("a/b", "a/b/c a/b/c/d", "a"),
    "hidden": ("*", ".a .a/b a", ""),
    "other letters": ("ü?\n**/日本*", "üx x/日本語", "ü"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_rule(case: str) -> None:
    text, ignored, sent = CASES[case]
    rules = IgnoreRules.parse(text)
    assert [path for path in ignored.split() if not rules.is_ignored(path, False)] == []
    assert [path for path in sent.split() if rules.is_ignored(path, False)] == []


@pytest.mark.parametrize("program", docker_programs())
@pytest.mark.parametrize("case", sorted(CASES.keys() - {"exception anywhere", "signs of expressions"}))
def test_each_rule_beside_docker(case: str, program: str, tmp_path: Path, server: BuildServer) -> None:
    """Without the two in which releases and builders of Docker differ."""
    text, ignored, sent = CASES[case]
    if case == "exclamation twice" and docker_release(program) < 23:
        text = "*\n!!a\n"
    paths = sorted({*ignored.split(), *sent.split()} - {"Dockerfile"}, key=len, reverse=True)
    for path in paths:
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.write_text(path)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / ".dockerignore").write_bytes(text.encode())
    assert ours(tmp_path) == set(unpacked(docker_sends(program, server, tmp_path)))


@pytest.fixture(scope="module")
def server() -> Iterator[BuildServer]:
    with build_server() as made:
        yield made


def ours(folder: Path) -> set[str]:
    return set(unpacked(b"".join(BuildContext(folder, rules=read_ignore_rules(folder)).stream())))


@pytest.mark.parametrize("program", docker_programs())
@pytest.mark.parametrize("with_exceptions", [True, False])
def test_random_rules_beside_docker(
    program: str, with_exceptions: bool, tmp_path: Path, server: BuildServer
) -> None:
    """A random file for a random folder, again and again, in the terms in which all releases agree.

    Before release 23, Docker went by other parents of a path, which shows where `**` meets a `!`, and where a
    line matches a folder without changing anything for it. In all of them, the builder that sends an archive
    goes into a folder that is left out only for a `!` that names it.
    """
    chance = random.Random(f"{with_exceptions}")
    modern = docker_release(program) >= 23
    for number in range(50):
        folder = tmp_path / str(number)
        grow(chance, folder, 3)
        lines = [pattern(chance, anywhere=modern or not with_exceptions) for _ in range(chance.randint(1, 4))]
        if with_exceptions:
            lines += [f"!{returning(chance)}" for _ in range(chance.randint(1, 3))]
            if modern:
                chance.shuffle(lines)
            else:
                lines.insert(0, "*")
        text = "\n".join(lines)
        (folder / ".dockerignore").write_text(text)
        (folder / "Dockerfile").write_text("FROM scratch\n")
        theirs = set(unpacked(docker_sends(program, server, folder)))
        assert ours(folder) == theirs, (text, ours(folder) ^ theirs)


NAMES = ["a", "b", "ab", "c.d", "a b"]


def grow(chance: random.Random, folder: Path, depth: int) -> None:
    folder.mkdir()
    for name in NAMES:
        place = folder / name
        if depth and chance.random() < 0.5:
            grow(chance, place, depth - 1)
        elif chance.random() < 0.7:
            place.touch()


def component(chance: random.Random) -> str:
    return chance.choice([*NAMES, "a*", "?", "*b", "[ab]", "[^a]", "a?", "c.*", "\\a", "*d"])


def pattern(chance: random.Random, *, anywhere: bool) -> str:
    parts = [component(chance) for _ in range(chance.randint(1, 3))]
    if anywhere and chance.random() < 0.5:
        parts.insert(chance.randrange(len(parts)), "**")
    if chance.random() < 0.2:
        parts.append("**")
    text = "/".join(parts)
    return chance.choice([text, text, f"/{text}", f"{text}/", f"./{text}", f"*/../{text}"])


def returning(chance: random.Random) -> str:
    folders = [chance.choice(NAMES) for _ in range(chance.randint(0, 2))]
    return "/".join([*folders, component(chance)])


def test_a_folder_is_entered_only_where_something_can_come_back() -> None:
    rules = IgnoreRules.parse("!x/early\n*\n!a/b/c\n!d*/e\n!f/*/g\n")
    folders = ("x", "a", "a/b", "a/c", "a/b/c", "d", "dd", "d/x", "f/x", "f/x/y")
    assert [f for f in folders if can_return(rules, f)] == ["a", "a/b", "d", "dd", "f/x"]
    assert not can_return(IgnoreRules.parse("a/b\n!a\n"), "a/b")


def can_return(rules: IgnoreRules, folder: str) -> bool:
    state = 0
    for end in (*(at for at, char in enumerate(folder) if char == "/"), len(folder)):
        _, state = rules.verdict(folder[:end], state)
    return rules.can_include_below(folder, state)


def test_whatever_comes_back_is_reached() -> None:
    """The walk sends all that is not left out, though it does not go into every folder."""
    chance = random.Random(7)
    for _ in range(3000):
        lines = [pattern(chance, anywhere=True) for _ in range(3)]
        text = "\n".join(chance.choice(["", "!"]) + line for line in lines)
        rules = IgnoreRules.parse(text)
        path = "/".join(chance.choice(NAMES) for _ in range(3))
        folder = path.rpartition("/")[0]
        if rules.is_ignored(folder) and not rules.is_ignored(path):
            assert can_return(rules, folder), (text, path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[", "a [ has no ]"),
        ("[a", "a [ has no ]"),
        ("[]a]", "a ] inside"),
        ("[a-]", "a ] inside"),
        ("[-a]", "a - inside"),
        ("a\\", "ends with a backslash"),
        ("!", "nothing follows the !"),
        ("[b-a]*", "runs backwards"),
        ("src\\public", "\\p means nothing"),
    ],
)
@pytest.mark.parametrize("program", docker_programs())
def test_a_bad_pattern(line: str, reason: str, program: str, tmp_path: Path, server: BuildServer) -> None:
    (tmp_path / ".dockerignore").write_text(f"# first\n\n{line}\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(BadValue) as raised:
        read_ignore_rules(tmp_path)
    assert ".dockerignore, line 3:" in raised.value.message
    assert reason in raised.value.message
    assert docker_build(program, server, tmp_path).returncode != 0


def test_the_file_beside_the_dockerfile_wins(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".dockerignore").write_text("common")
    (tmp_path / "sub" / "Other.dockerignore").write_text("\n[")
    assert read_ignore_rules(tmp_path).is_ignored("common")
    assert read_ignore_rules(tmp_path / "nowhere").patterns == ()
    with pytest.raises(BadValue, match=r"sub/Other\.dockerignore, line 2"):
        read_ignore_rules(tmp_path, "sub/Other")
    (tmp_path / "sub" / "Other.dockerignore").write_text("own")
    rules = read_ignore_rules(tmp_path, "sub/Other")
    assert rules.name == "sub/Other.dockerignore"
    assert rules.is_ignored("own")
    assert not rules.is_ignored("common")


def test_bytes_that_are_not_utf8() -> None:
    rules = IgnoreRules.parse(os.fsdecode(b"caf\xe9\nx\xff*\n"))
    assert rules.is_ignored(os.fsdecode(b"caf\xe9"))
    assert not rules.is_ignored("café")
    assert rules.is_ignored(os.fsdecode(b"x\xffy"))


@pytest.mark.parametrize("pattern", ["a/**", "a/b**"])
def test_two_stars_at_the_end_match_by_prefix_even_across_a_line_break(pattern: str) -> None:
    """Docker compares a prefix here; the `.` of a regular expression would stop at the line break."""
    rules = IgnoreRules.parse(pattern)
    assert rules.is_ignored("a/b\nc")
    assert not rules.is_ignored("ab\nc")
