"""Variables in values: a table, and chance texts against a simple model."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resin_toolkit.compose.interpolation import Variables, substitute
from resin_toolkit.compose.problems import InvalidValue

from .conftest import Project

VALUES = {"A": "one", "EMPTY": "", "Z_9": "nine"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$A", "one"),
        ("$A.$A-", "one.one-"),
        ("${A}B", "oneB"),
        ("$$A", "$A"),
        ("$$$A", "$one"),
        ("$$$$", "$$"),
        ("${NOT}|", "|"),
        ("${Z_9}", "nine"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${NOT:-x}${NOT-y}", "xy"),
        ("${A:-x}${A-x}", "oneone"),
        ("${A:+x}${A+y}", "xy"),
        ("${EMPTY:+x}|${EMPTY+y}", "|y"),
        ("${NOT:+x}${NOT+y}", ""),
        ("${A:?why}${A?why}${EMPTY?why}", "oneone"),
        ("${NOT:-${A}}", "one"),
        ("${NOT:-a ${EMPTY:-${NOT-deep}} b}", "a deep b"),
        ("${NOT:-$$x}", "$x"),
        ('${NOT:-{"a": {"b": 1}}}', '{"a": {"b": 1}}'),
        ("${NOT:-}", ""),
        ("${A:-${NOT:?is not looked at}}", "one"),
        ("${NOT:-a:b-c?d}", "a:b-c?d"),
    ],
)
def test_a_variable_is_replaced(text: str, expected: str) -> None:
    assert substitute(text, Variables(VALUES)) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("${NOT:?say it}", "requires the variable NOT, which is not set: say it"),
        ("${NOT?}", "requires the variable NOT, which is not set"),
        ("${EMPTY:?}", "requires the variable EMPTY, which is empty"),
        ("${NOT:?see ${A}}", "not set: see ${A}"),
        ("$", "has a `$` that is not followed by a variable name"),
        ("a $ b", "has a `$` that is not followed by a variable name"),
        ("$1", "has a `$` that is not followed by a variable name"),
        ("${", "has a `${` without a closing `}`"),
        ("${A", "has a `${` without a closing `}`"),
        ("${A:-${B}", "has a `${` without a closing `}`"),
        ("${}", "has a `${` that is not followed by a variable name"),
        ("${1}", "has a `${` that is not followed by a variable name"),
        ("${A!x}", "has `${A` with an unknown operator"),
        ("${A:x}", "has `${A` with an unknown operator"),
    ],
)
def test_a_variable_that_makes_no_sense_is_told(text: str, part: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        substitute(text, Variables(VALUES))
    assert part in caught.value.reason


def test_nesting_has_an_end() -> None:
    with pytest.raises(InvalidValue, match="nested too deeply"):
        substitute("${N:-" * 500 + "}" * 500, Variables({}))


@dataclass(frozen=True)
class Part:
    """A piece of a text: how it is written, and what it stands for."""

    written: str
    meant: str


NAMES = st.sampled_from(["A", "EMPTY", "Z_9", "NOT", "_x"])
PLAIN = st.text("abc ,.#=:'\"\\\n", max_size=5).map(lambda text: Part(text, text))
DOLLAR = st.just(Part("$$", "$"))


def joined(parts: list[Part]) -> Part:
    return Part("".join(p.written for p in parts), "".join(p.meant for p in parts))


def variable(name: str, sign: str, inner: Part) -> Part:
    value = VALUES.get(name)
    there = bool(value) if ":" in sign else value is not None
    when_there, otherwise = (inner.meant, "") if sign.endswith("+") else (value or "", inner.meant)
    meant = when_there if there else otherwise
    return Part(f"${{{name}{sign}{inner.written}}}", meant)


def deeper(parts: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    inner = st.lists(parts, max_size=3).map(joined)
    return st.builds(variable, NAMES, st.sampled_from([":-", "-", ":+", "+"]), inner)


BARE = NAMES.map(lambda name: Part(f"${{{name}}}", VALUES.get(name, "")))
TEXTS = st.lists(st.recursive(PLAIN | DOLLAR | BARE, deeper, max_leaves=8), max_size=6).map(joined)


@given(TEXTS)
def test_it_does_what_the_model_does(text: Part) -> None:
    assert substitute(text.written, Variables(VALUES)) == text.meant


@given(st.text("${}:-?+AB \n", max_size=20))
def test_any_text_is_replaced_or_told(text: str) -> None:
    with suppress(InvalidValue):
        substitute(text, Variables(VALUES))


def test_a_variable_without_a_value_is_a_notice_with_its_line(project: Project) -> None:
    application = project.load(
        """
        services:
          web:
            image: busybox
            command: a $NOT
            user: ${NOT}${OTHER-x}
        """
    )
    assert [notice.message for notice in application.notices] == [
        "compose.yaml:4: the variable NOT is not set and defaults to an empty string.",
        "compose.yaml:5: the variable NOT is not set and defaults to an empty string.",
    ]


def test_all_that_is_wrong_is_told_at_once_and_no_value_is_shown(project: Project) -> None:
    found = project.problems(
        """
        services:
          web:
            image: busybox
            environment:
              PASSWORD: hunter2$
              OTHER: ${TOKEN:?say which}
        x-mine: ${
        """,
        TOKEN="",
    )
    assert found == [
        (5, "services.web.environment.PASSWORD has a `$` that is not followed by a variable name"),
        (6, "services.web.environment.OTHER requires the variable TOKEN, which is empty: say which"),
        (7, "x-mine has a `${` without a closing `}`"),
    ]


def test_numbers_and_truths_may_come_from_variables(project: Project) -> None:
    service = project.web(
        """
        privileged: ${ON}
        ports: ["${PORT}:80", {target: "${PORT}", published: "${PORT}"}]
        healthcheck: {test: x, retries: "${N}"}
        init: ${OFF:-no}
        """,
        ON="yes",
        PORT="8080",
        N="3",
    )
    assert service.privileged is True
    assert [(port.host, port.container) for port in service.ports] == [(8080, 80), (8080, 8080)]
    assert service.healthcheck is not None
    assert service.healthcheck.retries == 3
    assert service.init is False
