"""The table of config.json's keys as people read it: `resin configure --keys`, and the README's."""

from __future__ import annotations

from dataclasses import dataclass

from image_tools.config.keys import KEYS, Group, Key, ValueType

_TYPES = {
    ValueType.STRING: "text",
    ValueType.BOOL: "true or false",
    ValueType.INTEGER: "whole number",
    ValueType.STRINGS: "list of texts",
    ValueType.OBJECT: "object",
}


@dataclass(frozen=True)
class KeyRow:
    """What is told of one key. `since` is an OS version, empty where it is not known."""

    group: Group
    name: str
    type: str
    since: str
    meaning: str
    choices: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """The same, fit for JSON."""
        return {
            "group": self.group.name.lower(),
            "name": self.name,
            "type": self.type,
            "since": self.since or None,
            "meaning": self.meaning,
            "choices": list(self.choices) or None,
        }


def keys_table() -> list[KeyRow]:
    """A row for each key; group by group, in the order of the table within each."""
    return [_row(key) for group in Group for key in KEYS if key.group is group]


def markdown_table(group: Group = Group.USER) -> str:
    """The keys of one group as a Markdown table, with a line break at its end."""
    rows = [row for row in keys_table() if row.group is group]
    dated = any(row.since for row in rows)
    head = ["key", "type", *(["since"] if dated else []), "meaning"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        kind = " or ".join(f"`{choice}`" for choice in row.choices) or row.type
        lines.append([f"`{row.name}`", kind, *([row.since] if dated else []), row.meaning])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _row(key: Key) -> KeyRow:
    return KeyRow(key.group, key.name, _TYPES[key.value_type], key.since, key.meaning, key.choices)
