"""Replace variables in a compose file: `$A ${A} ${A:-x} ${A-x} ${A:?why} ${A?why} ${A:+x} ${A+x}`, `$$`.

The text after an operator may contain variables. Messages never contain the value of a variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from resin_toolkit.compose.nodes import List, Map, Node, Scalar
from resin_toolkit.compose.problems import Diagnostics, InvalidValue

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_DOLLAR = "Write `$$` for a literal dollar sign."
_MAX_DEPTH = 50

Origins: TypeAlias = Mapping[str, Collection[str]]
"""The variables of this process that the value of a variable comes from: its own, or those that the value in
`.env` refers to."""


@dataclass
class Budget:
    """How many characters the values of variables may still add: each may be put in many times."""

    left: int = 1 << 23

    def spend(self, value: str) -> str:
        """Return `value`. Raises InvalidValue once there is nothing left."""
        self.left -= len(value)
        if self.left < 0:
            raise InvalidValue("becomes too large with the values of its variables")
        return value


@dataclass(frozen=True)
class Variables:
    """The values of variables; `unset` is called with the name of each variable that has none, `used` with
    the name of each whose value decides the text.
    """

    values: Mapping[str, str]
    unset: Callable[[str], None] = lambda _: None
    used: Callable[[str], None] = lambda _: None
    budget: Budget = field(default_factory=Budget)


def substitute(text: str, variables: Variables, depth: int = 0) -> str:
    """Return `text` with its variables replaced. Raises InvalidValue."""
    if "$" not in text:
        return text
    if depth > _MAX_DEPTH:
        raise InvalidValue("has variables nested too deeply")
    done, position = [], 0
    while (dollar := text.find("$", position)) >= 0:
        done.append(text[position:dollar])
        value, position = _variable(text, dollar + 1, variables, depth)
        done.append(value)
    return "".join([*done, text[position:]])


def _variable(text: str, start: int, variables: Variables, depth: int) -> tuple[str, int]:
    """The value of the variable whose dollar sign is before `start`, and the position after it."""
    if text[start : start + 1] == "$":
        return "$", start + 1
    if text[start : start + 1] != "{":
        name = _NAME.match(text, start)
        if name is None:
            raise InvalidValue("has a `$` that is not followed by a variable name", _DOLLAR)
        return _value(name[0], variables), name.end()
    end = _closing_brace(text, start)
    name = _NAME.match(text, start + 1, end)
    if name is None:
        raise InvalidValue("has a `${` that is not followed by a variable name", _DOLLAR)
    if name.end() == end:
        return _value(name[0], variables), end + 1
    operator = _OPERATOR.match(text, name.end(), end)
    if operator is None:
        raise InvalidValue(
            f"has `${{{name[0]}` with an unknown operator",
            "Use :- - :? ? :+ or +, as in a shell.",
        )
    word = text[operator.end() : end]
    return _apply_operator(name[0], operator[0], word, variables, depth + 1), end + 1


def _closing_brace(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
    raise InvalidValue("has a `${` without a closing `}`", _DOLLAR)


def _value(name: str, variables: Variables) -> str:
    if name not in variables.values:
        variables.unset(name)
        return ""
    variables.used(name)
    return variables.budget.spend(variables.values[name])


def _apply_operator(name: str, operator: str, word: str, variables: Variables, depth: int) -> str:
    value = variables.values.get(name)
    if value is not None:
        variables.used(name)
    is_set = bool(value) if operator.startswith(":") else value is not None
    if operator[-1] == "+":
        return substitute(word, variables, depth) if is_set else ""
    if is_set:
        return variables.budget.spend(value or "")
    if operator[-1] == "-":
        return substitute(word, variables, depth)
    raise InvalidValue(
        f"requires the variable {name}, which is {'empty' if value == '' else 'not set'}"
        + (f": {word}" if word else ""),
        f"Set it with `export {name}=…`, or in the file .env beside the compose file.",
    )


def interpolate(
    node: Node,
    values: Mapping[str, str],
    diagnostics: Diagnostics,
    origins: Origins,
    path: str = "",
    budget: Budget | None = None,
) -> Node:
    """Return a tree with the variables in all values replaced; keys are left unchanged.

    Each value knows which variables of this process it takes: `origins` are those of each variable.
    """
    budget = Budget() if budget is None else budget
    if isinstance(node, Map):
        return replace(
            node,
            entries={
                key: interpolate(
                    value, values, diagnostics, origins, f"{path}.{key}" if path else key, budget
                )
                for key, value in node.entries.items()
            },
        )
    if isinstance(node, List):
        items = (
            interpolate(item, values, diagnostics, origins, f"{path}[{i}]", budget)
            for i, item in enumerate(node.items)
        )
        return replace(node, items=tuple(items))
    if not isinstance(node.value, str) or "$" not in node.value:
        return node
    return _scalar(node, values, diagnostics, origins, path, budget)


def _scalar(
    node: Scalar,
    values: Mapping[str, str],
    diagnostics: Diagnostics,
    origins: Origins,
    path: str,
    budget: Budget,
) -> Scalar:
    taken: set[str] = set()

    def used(name: str) -> None:
        taken.update(origins.get(name, ()))

    def unset(name: str) -> None:
        diagnostics.notice(
            "compose-variable-unset",
            f"{node.location}: the variable {name} is not set and defaults to an empty string.",
        )

    try:
        value = substitute(str(node.value), Variables(values, unset, used, budget))
        return replace(node, value=value, taken=frozenset(taken))
    except InvalidValue as error:
        diagnostics.add(node.location, f"{path} {error.reason}", error.hint)
        return node
