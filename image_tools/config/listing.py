"""The list of known config.json keys, for `resin configure --keys` and the reference documentation."""

from __future__ import annotations

from dataclasses import dataclass

from image_tools.config.keys import KEYS, Group, Key, ValueType

_TYPES = {
    ValueType.STRING: "string",
    ValueType.BOOL: "true or false",
    ValueType.INTEGER: "whole number",
    ValueType.STRINGS: "list of strings",
    ValueType.OBJECT: "object",
}


@dataclass(frozen=True)
class KeyRow:
    """The documentation of one key. `since` is an OS version, empty if unknown."""

    group: Group
    name: str
    type: str
    since: str
    meaning: str
    choices: tuple[str, ...]

    def data(self) -> dict[str, object]:
        """Return the row as a JSON object."""
        return {
            "group": self.group.name.lower(),
            "name": self.name,
            "type": self.type,
            "since": self.since or None,
            "meaning": self.meaning,
            "choices": list(self.choices) or None,
        }


def keys_table() -> list[KeyRow]:
    """Return a row for each key, sorted by group."""
    return [_row(key) for group in Group for key in KEYS if key.group is group]


def markdown_table(group: Group = Group.USER) -> str:
    """Return the keys of one group as a Markdown table with a final newline."""
    rows = [row for row in keys_table() if row.group is group]
    has_versions = any(row.since for row in rows)
    head = ["key", "type", *(["since"] if has_versions else []), "meaning"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        kind = " or ".join(f"`{choice}`" for choice in row.choices) or row.type
        lines.append([f"`{row.name}`", kind, *([row.since] if has_versions else []), row.meaning])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _row(key: Key) -> KeyRow:
    return KeyRow(key.group, key.name, _TYPES[key.value_type], key.since, key.meaning, key.choices)
