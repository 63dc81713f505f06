"""An empty overlay in QEMU's own format: what is written goes there, and what was not is read from beneath.

The overlay may be larger than what it lies over, and then ends with zeros. The format: docs/interop/qcow2.txt
in QEMU's source. What lies beneath is told on QEMU's command line and not in the file.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_BITS = 16
_CLUSTER = 1 << _BITS
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_BYTES_PER_L1 = _CLUSTER * _CLUSTER // 8
"""What an entry of the first level stands for: a cluster full of clusters."""


def write_overlay(file: BinaryIO, size: int) -> None:
    """Write an overlay of `size` bytes, which lies over anything, to an empty file."""
    entries = -(-size // _BYTES_PER_L1)
    levels = -(-entries * 8 // _CLUSTER)
    clusters = 3 + levels
    header = _HEADER.pack(
        *(b"QFI\xfb", 3),
        # No name of what lies beneath.
        *(0, 0, _BITS, size, 0),
        # The first level: its entries, and its place behind the header and the counts of references.
        *(entries, 3 * _CLUSTER),
        # The table of the counts of references, in the second cluster; no snapshots, and no features.
        *(_CLUSTER, 1, 0, 0, 0, 0, 0),
        # A count has 2 to the power of 4 bits.
        *(4, _HEADER.size),
    )
    file.write(header.ljust(_CLUSTER, b"\0"))
    file.write(struct.pack(">Q", 2 * _CLUSTER).ljust(_CLUSTER, b"\0"))
    file.write(struct.pack(f">{clusters}H", *[1] * clusters).ljust(_CLUSTER, b"\0"))
    file.write(bytes(levels * _CLUSTER))
    file.flush()
