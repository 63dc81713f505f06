"""config.json of the boot partition: the keys that are known, and reading, changing and writing the file."""

from image_tools.config.edit import check, diff, hidden, merge, set_value, unset
from image_tools.config.keys import KEYS, Key, Kind, Origin
from image_tools.config.text import Config, dump, parse

__all__ = [
    "KEYS",
    "Config",
    "Key",
    "Kind",
    "Origin",
    "check",
    "diff",
    "dump",
    "hidden",
    "merge",
    "parse",
    "set_value",
    "unset",
]
