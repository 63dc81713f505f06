"""An empty qcow2 overlay: it takes all writes, and blocks that were not written are read from the image.

The overlay may be larger than the image, and then ends with zeros. The format: docs/interop/qcow2.txt in
QEMU's source. The image is named on QEMU's command line and not in the file.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_CLUSTER_BITS = 16
_CLUSTER = 1 << _CLUSTER_BITS
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_BYTES_PER_L1 = _CLUSTER * _CLUSTER // 8
"""Bytes of disk that an entry of the L1 table maps: a cluster full of entries, each of a cluster."""


def write_overlay(file: BinaryIO, size: int) -> None:
    """Write an overlay of `size` bytes to an empty file."""
    entries = -(-size // _BYTES_PER_L1)
    l1_clusters = -(-entries * 8 // _CLUSTER)
    clusters = 3 + l1_clusters
    header = _HEADER.pack(
        *(b"QFI\xfb", 3),
        # No name of a backing file.
        *(0, 0, _CLUSTER_BITS, size, 0),
        # The L1 table: its number of entries, and its offset behind header, refcount table and refcounts.
        *(entries, 3 * _CLUSTER),
        # The refcount table, in the second cluster; no snapshots, and no features.
        *(_CLUSTER, 1, 0, 0, 0, 0, 0),
        # A refcount has 2 to the power of 4 bits.
        *(4, _HEADER.size),
    )
    file.write(header.ljust(_CLUSTER, b"\0"))
    file.write(struct.pack(">Q", 2 * _CLUSTER).ljust(_CLUSTER, b"\0"))
    file.write(struct.pack(f">{clusters}H", *[1] * clusters).ljust(_CLUSTER, b"\0"))
    file.write(bytes(l1_clusters * _CLUSTER))
    file.flush()
