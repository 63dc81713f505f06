"""Names in a FAT directory: valid names, 8.3 aliases, and the slots of long names.

Source: Microsoft FAT specification 1.03, "FAT Long Directory Entries" and "The Basis-Name Generation
Algorithm"; the lower-case flags of byte 12 are those of Windows NT.
"""

from __future__ import annotations

from collections.abc import Collection

from image_tools.fat.geometry import SLOT
from resin_toolkit.errors import BadValue

ATTRIBUTE_LONG_NAME = 0x0F
MAX_NAME_UNITS = 255
UNITS_PER_SLOT = 13
FORBIDDEN = '"*/:<>?\\|'

_SHORT_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~")
_LAST_SLOT = 0x40
_LOWER_BASE, _LOWER_EXTENSION = 0x08, 0x10
_ON_ONE_LINE = dict.fromkeys((*range(0x20), 0x7F, 0x85, 0x2028, 0x2029), "\ufffd")
"""Control characters, which no name may hold, are shown as U+FFFD: a name must not add lines to a listing."""
# Byte ranges of the three pieces of a name in a long-name slot.
_NAME_RANGES = ((1, 11), (14, 26), (28, 32))


def check_name(name: str) -> None:
    """Raise BadValue unless `name` can be the name of a file in a FAT directory."""
    reason = _name_problem(name)
    if reason:
        shown = name.encode("utf-8", "backslashreplace").decode()
        raise BadValue(
            f"'{shown}' is not a valid name on a FAT file system: {reason}.", hint="Choose another name."
        )


def fold_case(name: str) -> str:
    """The name in upper case; names that fold alike are the same name."""
    if name.isascii():
        return name.upper()
    return "".join(upper if len(upper := character.upper()) == 1 else character for character in name)


def split_path(path: str) -> list[str]:
    """The components of a path separated by "/"; empty for the root. Raises BadValue for `..`."""
    names = [name for name in path.split("/") if name and name != "."]
    if ".." in names:
        raise BadValue(
            f"'{path}' contains `..`.", hint="Give a path from the root of the partition, without `..`."
        )
    return names


def is_short_name(name: str) -> bool:
    """Whether `name` is a valid 8.3 name, so that it needs no long name."""
    base, dot, extension = name.partition(".")
    return (
        1 <= len(base) <= 8
        and len(extension) <= 3
        and bool(extension) == bool(dot)
        and all(character in _SHORT_CHARACTERS for character in base + extension)
    )


def short_name(name: str, taken: Collection[bytes]) -> bytes:
    """The 11 bytes of the 8.3 alias of `name`, different from all in `taken`."""
    stem, dot, extension = name.lstrip(".").rpartition(".")
    if not dot:
        stem, extension = extension, ""
    base, tail = _shorten(stem), _shorten(extension)
    lossless = fold_case(name) == (f"{base}.{tail}" if tail else base) and len(base) <= 8 and len(tail) <= 3
    if lossless and base:
        alias = _padded(base, tail)
        if alias not in taken:
            return alias
    for number in range(1, 1_000_000):
        suffix = f"~{number}"
        alias = _padded((base or "_")[: 8 - len(suffix)] + suffix, tail[:3])
        if alias not in taken:
            return alias
    raise BadValue(f"No 8.3 alias is left for '{name}'.", hint="Choose another name.")


def decode_short_name(slot: bytes) -> str:
    """The name of an 8.3 entry without a long name."""
    raw = (b"\xe5" if slot[0] == 0x05 else slot[:1]) + slot[1:11]
    base, extension = raw[:8].decode("cp437").rstrip(" "), raw[8:].decode("cp437").rstrip(" ")
    if slot[12] & _LOWER_BASE:
        base = base.lower()
    if slot[12] & _LOWER_EXTENSION:
        extension = extension.lower()
    return (f"{base}.{extension}" if extension else base).translate(_ON_ONE_LINE)


def checksum(alias: bytes) -> int:
    """The checksum of an 8.3 name that ties long-name slots to it."""
    total = 0
    for byte in alias:
        total = ((total & 1) << 7 | total >> 1) + byte & 0xFF
    return total


def long_name_slots(name: str, alias: bytes) -> list[bytes]:
    """The long-name slots of `name`, in their order on disk, before the 8.3 entry."""
    encoded = name.encode("utf-16-le")
    count = -(-len(encoded) // (UNITS_PER_SLOT * 2))
    if len(encoded) < count * UNITS_PER_SLOT * 2:
        encoded = (encoded + b"\0\0").ljust(count * UNITS_PER_SLOT * 2, b"\xff")
    total = checksum(alias)
    slots = []
    for number in range(count, 0, -1):
        slot = bytearray(SLOT)
        slot[0] = number | (_LAST_SLOT if number == count else 0)
        slot[11], slot[13] = ATTRIBUTE_LONG_NAME, total
        units = encoded[(number - 1) * 26 : number * 26]
        for start, end in _NAME_RANGES:
            slot[start:end], units = units[: end - start], units[end - start :]
        slots.append(bytes(slot))
    return slots


class LongNameParser:
    """Assembles long names from consecutive slots; slots out of order are discarded."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._units = b""
        self._next = 0
        self._checksum = -1
        self._first_slot = -1

    def add(self, index: int, slot: bytes) -> None:
        """Add the long-name slot at `index` of the directory."""
        number = slot[0] & 0x3F
        if slot[0] & _LAST_SLOT:
            self._units, self._checksum, self._first_slot = b"", slot[13], index
        elif number != self._next or slot[13] != self._checksum:
            self.reset()
            return
        self._units = slot[1:11] + slot[14:26] + slot[28:32] + self._units
        self._next = number - 1

    def name_of(self, index: int, slot: bytes) -> tuple[str, int]:
        """The name of the 8.3 entry at `index`, and the index of the first slot that belongs to it."""
        complete = self._first_slot >= 0 and self._next == 0 and self._checksum == checksum(slot[:11])
        units, first = self._units, self._first_slot
        self.reset()
        if not complete:
            return decode_short_name(slot), index
        name = units.decode("utf-16-le", "replace").partition("\0")[0].translate(_ON_ONE_LINE)
        return (name, first) if name else (decode_short_name(slot), first)


def _name_problem(name: str) -> str:
    if name in ("", ".", ".."):
        return "it stands for a directory" if name else "it is empty"
    try:
        units = len(name.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if units > MAX_NAME_UNITS:
        return f"it is longer than {MAX_NAME_UNITS} UTF-16 units"
    bad = next((c for c in name if c in FORBIDDEN or ord(c) < 0x20 or ord(c) == 0x7F), None)
    if bad is not None:
        return f"the character {bad!r} is not allowed"
    if name[-1] in ". ":
        return "it ends in a dot or space"
    return ""


def _shorten(text: str) -> str:
    kept = (character for character in fold_case(text) if character not in " .")
    return "".join(character if character in _SHORT_CHARACTERS else "_" for character in kept)


def _padded(base: str, extension: str) -> bytes:
    return base.ljust(8).encode("ascii") + extension.ljust(3).encode("ascii")
