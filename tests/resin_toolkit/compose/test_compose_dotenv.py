"""Files of variables: `.env` and those of `env_file`."""

from __future__ import annotations

from pathlib import Path

import pytest

from resin_toolkit.compose import dotenv
from resin_toolkit.compose.nodes import Location
from resin_toolkit.compose.problems import Diagnostics

from .conftest import Project

OUTER = {"HOME_OF": "outer"}
AT = Location("x.env", 1, Path("/"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", {"A": "1"}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A=1", {"A": "1"}),
        ("exported=1", {"exported": "1"}),
        ("A = 1 ", {"A": "1"}),
        ("A: 1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A", {"A": None}),
        ("A=a=b", {"A": "a=b"}),
        ("# A=1\n\n  # more\nB=2", {"B": "2"}),
        ("A=one # two", {"A": "one"}),
        ("A=one#two", {"A": "one#two"}),
        ("A=#two", {"A": ""}),
        ("A='one # two' # three", {"A": "one # two"}),
        ("A='$HOME_OF'", {"A": "$HOME_OF"}),
        (r"A='it\'s'", {"A": "it's"}),
        (r"A='a\nb'", {"A": r"a\nb"}),
        (r'A="a\nb\t\"c\" \\"', {"A": 'a\nb\t"c" \\'}),
        (r'A="\$HOME_OF $HOME_OF"', {"A": "$HOME_OF outer"}),
        (r"A=a\nb", {"A": r"a\nb"}),
        ('A="one\ntwo"\nB=3', {"A": "one\ntwo", "B": "3"}),
        ("A='one\n# two'", {"A": "one\n# two"}),
        ("A=1\nB=${A}2\nC=${NOT:-x}", {"A": "1", "B": "12", "C": "x"}),
        ("HOME_OF=own\nB=$HOME_OF", {"HOME_OF": "own", "B": "outer"}),
        ("A=1\nA=2", {"A": "2"}),
        ("a.b-c=1", {"a.b-c": "1"}),
    ],
)
def test_a_file_is_read(text: str, expected: dict[str, str | None]) -> None:
    diagnostics = Diagnostics()
    assert dotenv.parse(text, AT, OUTER, diagnostics) == expected
    assert diagnostics.problems == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1\nB='secret", "x.env:2: B has an unclosed quote."),
        ("A='secret' more", "x.env:1: A has text after its closing quote."),
        ("\n\n=secret", "x.env:3: a variable name is expected here."),
        ("1A=secret", "x.env:1: a variable name is expected here."),
        ("A secret", "x.env:1: A is not followed by `=`."),
        ("A=secret$", "x.env:1: A has a `$` that is not followed by a variable name."),
        ('A="one\ntwo"\nB=${C:?why}', "x.env:3: B requires the variable C, which is not set: why."),
    ],
)
def test_what_is_wrong_is_told_without_the_value(text: str, problem: str) -> None:
    diagnostics = Diagnostics()
    dotenv.parse(text, AT, OUTER, diagnostics)
    assert [str(found) for found in diagnostics.problems] == [problem]
    assert "secret" not in diagnostics.problems[0].hint


def test_raw_values_stand_as_they_are() -> None:
    diagnostics = Diagnostics()
    text = "A='$x' # y\n# no\n\nB\nC= z "
    assert dotenv.parse_raw(text, AT, diagnostics) == {"A": "'$x' # y", "B": None, "C": " z "}


def test_env_files_are_laid_over_each_other_and_under_the_environment(project: Project) -> None:
    project.write("A=1\nB=1\nC=1\nHERE\n", "one.env")
    project.write("B='$x'\n", "raw.env")
    service = project.web(
        """
        env_file:
          - one.env
          - {path: raw.env, format: raw}
          - {path: none.env, required: false}
        environment: {C: 3, NOWHERE: , HERE_TOO: }
        """,
        HERE="w",
        HERE_TOO="w2",
    )
    assert service.environment == {"A": "1", "B": "'$x'", "C": "3", "HERE": "w", "HERE_TOO": "w2"}


def test_an_env_file_that_is_not_there_is_told(project: Project) -> None:
    text = (
        "services:\n  web:\n    image: x\n    env_file:\n      - a.env\n      - {path: b.env, format: json}\n"
    )
    project.write("A=1", "b.env")
    assert project.problems(text) == [
        (5, "a.env cannot be read: no such file or directory"),
        (6, "services.web.env_file[1] has an unknown format: 'json'"),
    ]


def test_the_workstation_counts_before_the_file(project: Project) -> None:
    project.write("TAG=file\nOTHER=file\n", ".env")
    application = project.load("services: {web: {image: '$TAG:$OTHER'}}", environment={"TAG": "own"})
    assert application.services[0].image == "own:file"
    assert application.files == (project.folder / ".env", project.folder / "compose.yaml")


def test_the_file_may_name_files_profiles_and_the_application(project: Project) -> None:
    project.write(
        "COMPOSE_FILE=a.yml:b.yml\nCOMPOSE_PROFILES=debug,more\nCOMPOSE_PROJECT_NAME=named\n", ".env"
    )
    project.write("services: {web: {image: x}, sh: {image: y, profiles: [debug]}}", "a.yml")
    project.write("services: {no: {image: z, profiles: [other]}}", "b.yml")
    application = project.load()
    assert application.name == "named"
    assert [service.name for service in application.services] == ["web", "sh"]
