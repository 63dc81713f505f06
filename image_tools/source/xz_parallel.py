"""Parallel decompression of the blocks of an .xz file in threads; the lzma module releases the GIL.

Each block is passed to liblzma as a stream of its own, with the header of its stream and an index and footer
made from its record. So its header, sizes and check are verified as in a whole file; everything between the
blocks was verified by `xz_index.blocks`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeAlias

from image_tools.source.xz_index import (
    Block,
    ReadAt,
    block_dictionary_size,
    footer_bytes,
    header_bytes,
    index_bytes,
)
from resin_toolkit.memory_limit import is_xz_memory_error, xz_decompressor

CHUNK = 1024 * 1024
_READ = 256 * 1024
MAX_WORKERS = 4
MAX_DICTIONARIES_SIZE = 128 * 1024 * 1024
"""The total dictionary size of all decoders, unless a single one needs more."""
MAX_QUEUED_CHUNKS = 96
"""The total number of chunks of 1 MiB that may be queued."""
_PATIENCE = 0.1


class BlockDamaged(Exception):
    """A block does not match its record; `offset` is its position in the file."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.offset = offset


def memory_needed(read_at: ReadAt, blocks: list[Block]) -> int:
    """The largest dictionary of the blocks, in bytes."""
    return max(block_dictionary_size(read_at, block) for block in blocks)


def worker_count(dictionary: int, blocks: list[Block], processors: int) -> int:
    """The number of blocks to decompress in parallel.

    Of a dictionary, only as much is used as a block has contents, and a block of more contents than its
    record says is damaged.
    """
    largest = min(dictionary, max(block.content for block in blocks))
    return max(1, min(len(blocks), MAX_WORKERS, processors, MAX_DICTIONARIES_SIZE // max(largest, 1)))


_Item: TypeAlias = "bytes | BaseException | None"


class ParallelXz:
    """Decompresses blocks ahead of the reader in bounded memory; `close` ends the threads.

    `dictionary` is what `memory_needed` returns for the blocks.
    """

    def __init__(self, read_at: ReadAt, blocks: list[Block], dictionary: int) -> None:
        self._read_at = read_at
        self._blocks = blocks
        self._dictionary = dictionary
        self._closed = Event()
        count = worker_count(dictionary, blocks, len(os.sched_getaffinity(0)))
        self._queues: list[Queue[_Item]] = [Queue(MAX_QUEUED_CHUNKS // count) for _ in range(count)]
        self._threads = [
            Thread(target=self._work, args=(number,), name=f"xz-{number}", daemon=True)
            for number in range(count)
        ]
        self.consumed = 0
        """The bytes of the file whose contents were read."""

    def chunks(self) -> Iterator[bytes]:
        """The contents in order; raises BlockDamaged, and what `read_at` raises."""
        for thread in self._threads:
            thread.start()
        for number, block in enumerate(self._blocks):
            queue = self._queues[number % len(self._queues)]
            while (item := queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
            self.consumed = block.offset + block.stored

    def close(self) -> None:
        self._closed.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self, number: int) -> None:
        queue = self._queues[number]
        try:
            for block in self._blocks[number :: len(self._queues)]:
                for chunk in self._decompress(block):
                    if not self._put(queue, chunk):
                        return
                if not self._put(queue, None):
                    return
        except BaseException as failure:  # noqa: BLE001 - raised again where the chunks are taken
            self._put(queue, failure)

    def _put(self, queue: Queue[_Item], item: _Item) -> bool:
        """Queue an item; returns False once closed."""
        while not self._closed.is_set():
            try:
                queue.put(item, timeout=_PATIENCE)
                return True
            except Full:
                continue
        return False

    def _decompress(self, block: Block) -> Iterator[bytes]:
        """The contents of one block, in chunks."""
        import lzma

        decompressor = xz_decompressor(self._dictionary)
        stream, left = self._stream(block), block.content
        try:
            while not decompressor.eof:
                data = next(stream, b"") if decompressor.needs_input else b""
                if decompressor.needs_input and not data:
                    raise BlockDamaged("a block is truncated", block.offset)
                chunk = decompressor.decompress(data, CHUNK)
                left -= len(chunk)
                if left < 0:
                    raise BlockDamaged("a block is longer than its record says", block.offset)
                if chunk:
                    yield chunk
        except lzma.LZMAError as error:
            reason = "a block header has changed" if is_xz_memory_error(error) else str(error)
            raise BlockDamaged(reason, block.offset) from error
        if decompressor.unused_data or next(stream, b""):
            raise BlockDamaged("a block is shorter than its record says", block.offset)

    def _stream(self, block: Block) -> Iterator[bytes]:
        """The bytes of an .xz stream that contains only this block."""
        yield header_bytes(block.flags)
        for offset in range(block.offset, block.offset + block.stored, _READ):
            yield self._read_at(offset, min(_READ, block.offset + block.stored - offset))
        index = index_bytes(block.unpadded, block.content)
        yield index + footer_bytes(block.flags, len(index))
