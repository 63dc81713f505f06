"""config.json of the boot partition: its known keys, and parsing, editing and serializing the file."""

from image_tools.config.edit import check, diff, hidden, merge, set_value, unset
from image_tools.config.keys import KEYS, Group, Key, KeySource, ValueType, key_names
from image_tools.config.listing import KeyRow, keys_table, markdown_table
from image_tools.config.ssh_keys import add_ssh_keys, public_keys
from image_tools.config.text import Config, dump, needs_rewrite, parse

__all__ = [
    "KEYS",
    "Config",
    "Group",
    "Key",
    "KeyRow",
    "KeySource",
    "ValueType",
    "add_ssh_keys",
    "check",
    "diff",
    "dump",
    "hidden",
    "key_names",
    "keys_table",
    "markdown_table",
    "merge",
    "needs_rewrite",
    "parse",
    "public_keys",
    "set_value",
    "unset",
]
