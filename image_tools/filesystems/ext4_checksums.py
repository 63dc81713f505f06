"""The checksums of ext4's metadata: CRC32C, and CRC-16 of group descriptors.

Source: the Linux kernel's Documentation/filesystems/ext4/checksums.rst.
"""

from __future__ import annotations

from functools import cache


def crc32c(data: bytes, seed: int = 0xFFFFFFFF) -> int:
    """CRC32C (Castagnoli) without the final inversion, as ext4 chains it."""
    table = _table(0x82F63B78)
    for byte in data:
        seed = seed >> 8 ^ table[(seed ^ byte) & 0xFF]
    return seed


def crc16(data: bytes, seed: int = 0xFFFF) -> int:
    """CRC-16 with the polynomial 0x8005, reflected (the kernel's lib/crc16)."""
    table = _table(0xA001)
    for byte in data:
        seed = seed >> 8 ^ table[(seed ^ byte) & 0xFF]
    return seed


@cache
def _table(polynomial: int) -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    return tuple(table)
