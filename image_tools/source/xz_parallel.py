"""An .xz file of several blocks, unpacked by several threads at once; the lzma module releases Python's lock.

Each block is given to liblzma as a small stream of its own: with the header of its stream, and an index and a
footer made of its record. So its header, its sizes and its check are enforced as in a whole file; what lies
between blocks was compared by `xz_index.blocks`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeAlias

from image_tools.source.xz_index import Block, ReadAt, footer_bytes, header_bytes, index_bytes, window

PIECE = 1024 * 1024
_READ = 256 * 1024
MOST_WORKERS = 4
WINDOWS = 128 * 1024 * 1024
"""So many bytes may the decoders keep in all, where one alone does not need more."""
MOST_WAITING = 96
"""So many pieces of 1 MiB may wait to be taken, in all."""
_PATIENCE = 0.1


class BlockDamaged(Exception):
    """A block that does not unpack to what its record says; `offset` is where in the file."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.offset = offset


def worker_count(read_at: ReadAt, blocks: list[Block], processors: int) -> int:
    """How many blocks are unpacked at a time."""
    largest = max(window(read_at, block) for block in blocks)
    return max(1, min(len(blocks), MOST_WORKERS, processors, WINDOWS // max(largest, 1)))


_Item: TypeAlias = "bytes | BaseException | None"


class ParallelXz:
    """Unpacks blocks ahead of who takes them; `close` ends the threads, which hold a bounded amount."""

    def __init__(self, read_at: ReadAt, blocks: list[Block]) -> None:
        self._read_at = read_at
        self._blocks = blocks
        self._closed = Event()
        count = worker_count(read_at, blocks, len(os.sched_getaffinity(0)))
        self._queues: list[Queue[_Item]] = [Queue(MOST_WAITING // count) for _ in range(count)]
        self._threads = [
            Thread(target=self._work, args=(number,), name=f"xz-{number}", daemon=True)
            for number in range(count)
        ]
        self.consumed = 0
        """Bytes of the file of which the content was taken."""

    def pieces(self) -> Iterator[bytes]:
        """The content in order; raises BlockDamaged, and what `read_at` raises."""
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
                for piece in self._unpacked(block):
                    if not self._put(queue, piece):
                        return
                if not self._put(queue, None):
                    return
        except BaseException as failure:  # noqa: BLE001 - raised again where the pieces are taken
            self._put(queue, failure)

    def _put(self, queue: Queue[_Item], item: _Item) -> bool:
        """Hand something over; false once all is closed."""
        while not self._closed.is_set():
            try:
                queue.put(item, timeout=_PATIENCE)
                return True
            except Full:
                continue
        return False

    def _unpacked(self, block: Block) -> Iterator[bytes]:
        """The content of one block, in pieces."""
        import lzma

        decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        stream = self._stream(block)
        try:
            while not decompressor.eof:
                data = next(stream, b"") if decompressor.needs_input else b""
                if decompressor.needs_input and not data:
                    raise BlockDamaged("it ends before its own data does", block.offset)
                piece = decompressor.decompress(data, PIECE)
                if piece:
                    yield piece
        except lzma.LZMAError as error:
            raise BlockDamaged(str(error), block.offset) from error
        if decompressor.unused_data or next(stream, b""):
            raise BlockDamaged("a block ends before its record says", block.offset)

    def _stream(self, block: Block) -> Iterator[bytes]:
        """The block as the only one of a stream, as stored."""
        yield header_bytes(block.flags)
        for offset in range(block.offset, block.offset + block.stored, _READ):
            yield self._read_at(offset, min(_READ, block.offset + block.stored - offset))
        index = index_bytes(block.unpadded, block.content)
        yield index + footer_bytes(block.flags, len(index))
