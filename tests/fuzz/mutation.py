"""Random inputs without atheris: changes to a corpus that a seed repeats on every machine."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

_FOLDER = Path(__file__).parent
LONGEST = 1 << 16
"""Bytes of an input."""
_SMALL = 2048
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})|\\(.)", re.IGNORECASE)


def corpus(name: str) -> list[bytes]:
    """The inputs of a target that are kept, and the smaller ones of those that once failed."""
    kept, found = (sorted((_FOLDER / kind / name).glob("*")) for kind in ("corpus", "found"))
    small = [path for path in found if path.stat().st_size < _SMALL]
    return [path.read_bytes() for path in (*kept, *small)]


def dictionary(name: str) -> list[bytes]:
    """The words of a target, from a file as libFuzzer reads it: a word in quotes in each line."""
    path = dictionary_path(name)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [_unescaped(line[1:-1]) for line in lines if line.startswith('"')]


def dictionary_path(name: str) -> Path:
    return _FOLDER / "dictionaries" / f"{name}.txt"


def mutated(random: random.Random, inputs: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """One of `inputs`, with one to eight changes."""
    data = bytearray(random.choice(inputs))
    for _ in range(random.choice((1, 1, 1, 2, 2, 4, 8))):
        place = random.randrange(len(data) + 1)
        size = random.choice((1, 1, 2, 4, 8, 32))
        match random.randrange(8):
            case 0 if data:
                data[place % len(data)] ^= 1 << random.randrange(8)
            case 1 if data:
                data[place % len(data)] = random.randrange(256)
            case 2:
                order = random.choice(("little", "big"))
                width = random.choice((1, 2, 4, 8))
                number = random.choice(_NUMBERS) & (1 << 8 * width) - 1
                data[place : place + width] = number.to_bytes(width, "big" if order == "big" else "little")
            case 3:
                del data[place : place + size]
            case 4:
                data[place:place] = random.randbytes(size)
            case 5:
                data[place:place] = data[place : place + size] * random.choice((1, 1, 2, 50, 500))
            case 6 if words:
                data[place : place + random.choice((0, size))] = random.choice(words)
            case 7:
                other = random.choice(inputs)
                start = random.randrange(len(other) + 1)
                data[place:] = other[start : start + LONGEST]
            case _:
                del data[place:]
    return bytes(data[:LONGEST])


def _unescaped(word: str) -> bytes:
    parts = []
    position = 0
    for match in _ESCAPE.finditer(word):
        parts.append(word[position : match.start()].encode())
        parts.append(bytes.fromhex(match[1]) if match[1] else match[2].encode())
        position = match.end()
    return b"".join((*parts, word[position:].encode()))
