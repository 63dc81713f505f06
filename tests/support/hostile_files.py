"""Small files that ask for very much memory or time of whoever opens them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping

import zstandard

from support.card_images import MIB, card_image

GIB = 1024 * MIB
IMAGE = card_image(2 * MIB)
_XZ_HEADER = 12


def xz_with_dictionary(dictionary: int, data: bytes = IMAGE) -> bytes:
    """An .xz file whose only block names a dictionary of that size: 2 or 3 times a power of two."""
    packed = bytearray(lzma.compress(data, preset=0))
    header = memoryview(packed)[_XZ_HEADER : _XZ_HEADER + packed[_XZ_HEADER] * 4 + 4]
    exponent = dictionary.bit_length() - 2
    assert header[2] == 0x21, "LZMA2 is the only filter"
    header[4] = (exponent - 11) * 2 + (dictionary >> exponent & 1)
    header[-4:] = zlib.crc32(header[:-4]).to_bytes(4, "little")
    header.release()
    return bytes(packed)


def xz_blocks_longer_than_said(count: int, content: int) -> bytes:
    """An .xz file of several blocks, each of `content` bytes of zeros in a dictionary that holds them all.

    Its index says that they have a byte each.
    """
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 * MIB}]
    packed = lzma.compress(bytes(content), lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)
    index_size = (int.from_bytes(packed[-8:-4], "little") + 1) * 4
    block = packed[_XZ_HEADER : -_XZ_HEADER - index_size]
    unpadded = _number(packed, len(packed) - _XZ_HEADER - index_size + 2)
    index = b"\0" + _encoded(count) + (_encoded(unpadded) + b"\1") * count
    index += bytes(-len(index) % 4)
    index += zlib.crc32(index).to_bytes(4, "little")
    footer = (len(index) // 4 - 1).to_bytes(4, "little") + packed[6:8]
    return (
        packed[:_XZ_HEADER]
        + block * count
        + index
        + zlib.crc32(footer).to_bytes(4, "little")
        + footer
        + b"YZ"
    )


def xz_with_record_count(count: int) -> bytes:
    """An .xz file whose index names very many blocks."""
    packed = lzma.compress(IMAGE, preset=0)
    index = b"\0" + _encoded(count) + bytes(3)
    index += bytes(-len(index) % 4)
    index += zlib.crc32(index).to_bytes(4, "little")
    footer = (len(index) // 4 - 1).to_bytes(4, "little") + packed[6:8]
    size = (int.from_bytes(packed[-8:-4], "little") + 1) * 4
    end = zlib.crc32(footer).to_bytes(4, "little") + footer + b"YZ"
    return packed[: -_XZ_HEADER - size] + index + end


def zstd_with_window(exponent: int, content: int = 4 * MIB) -> bytes:
    """A Zstandard frame that names a window of 2 to that power, and is all zeros."""
    header = b"\x28\xb5\x2f\xfd\x00" + bytes([(exponent - 10) << 3])
    size = 128 * 1024
    blocks = [_zstd_zeros(size, last=start + size >= content) for start in range(0, content, size)]
    return header + b"".join(blocks)


def zstd_with_dictionary() -> bytes:
    """A Zstandard frame that was made with a dictionary."""
    samples = [bytes([n % 7, n % 11, n % 13]) * 50 for n in range(2000)]
    dictionary = zstandard.train_dictionary(8192, samples)
    return zstandard.ZstdCompressor(dict_data=dictionary).compress(IMAGE)


def zip_with_lzma_dictionary(dictionary: int) -> bytes:
    """A .zip archive whose entry names an LZMA dictionary of that size."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("card.img", IMAGE)
    packed = bytearray(file.getvalue())
    properties = 30 + len("card.img") + 4
    packed[properties + 1 : properties + 5] = dictionary.to_bytes(4, "little")
    return bytes(packed)


def zip_of_files(count: int) -> bytes:
    """A .zip archive of so many empty files, and no image among them."""
    local = b"PK\3\4" + struct.pack("<5H3I2H", 20, 0, 0, 0, 0x21, 0, 0, 0, 9, 0)
    central = b"PK\1\2" + struct.pack("<6H3I5H2I", 20, 20, 0, 0, 0, 0x21, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0)
    first, directory = bytearray(), bytearray()
    for number in range(count):
        name = b"%09d" % number
        directory += central[:-4] + len(first).to_bytes(4, "little") + name
        first += local + name
    counted = min(count, 0xFFFF)
    end = b"PK\5\6" + struct.pack("<4H2IH", 0, 0, counted, counted, len(directory), len(first), 0)
    return bytes(first + directory + end)


def zip_with_sizes(compressed: int, size: int) -> bytes:
    """A .zip archive whose only entry has these sizes in its zip64 field."""
    extra = struct.pack("<2H2Q", 1, 16, size, compressed)
    name, data = b"card.img", zlib.compress(IMAGE, 1)[2:-4]
    sizes = (zlib.crc32(IMAGE), 0xFFFFFFFF, 0xFFFFFFFF)
    local = b"PK\3\4" + struct.pack("<5H3I2H", 45, 0, 8, 0, 0x21, *sizes, len(name), len(extra))
    fields = (45, 45, 0, 8, 0, 0x21, *sizes, len(name), len(extra), 0, 0, 0, 0, 0)
    central = b"PK\1\2" + struct.pack("<6H3I5H2I", *fields) + name + extra
    body = local + name + extra + data
    return body + central + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 1, 1, len(central), len(body), 0)


EMPTY_PARTS: Mapping[str, bytes] = {
    "gzip": gzip.compress(b""),
    "xz": lzma.compress(b"", preset=0),
    "bzip2": bz2.compress(b""),
    "zstd": b"\x50\x2a\x4d\x18\0\0\0\0",
}
"""The shortest part of each format without contents."""


def of_empty_parts(kind: str, count: int) -> bytes:
    """A file of very many parts without contents."""
    start = b"\x28\xb5\x2f\xfd\x20\0\1\0\0" if kind == "zstd" else b""
    return start + EMPTY_PARTS[kind] * count


def tar_of(build: Callable[[tarfile.TarFile], object]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        build(tar)
    return file.getvalue()


def tar_header(name: str, size: int, kind: bytes) -> bytes:
    """The header of a tar member, as ustar writes it."""
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def _zstd_zeros(size: int, *, last: bool) -> bytes:
    return (size << 3 | 1 << 1 | last).to_bytes(3, "little") + b"\0"


def _encoded(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _number(data: bytes, position: int) -> int:
    value, shift = 0, 0
    while True:
        value |= (data[position] & 0x7F) << shift
        if not data[position] & 0x80:
            return value
        position, shift = position + 1, shift + 7
