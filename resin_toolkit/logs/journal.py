"""Reading and following the system journal of a device with journalctl, over SSH.
Source: journalctl(1), systemd's JOURNAL_EXPORT_FORMATS ("Journal JSON Format"), systemd.journal-fields(7).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from resin_toolkit.device.record import Device
from resin_toolkit.engine.timestamps import stamp_of_nanoseconds
from resin_toolkit.errors import NotSupported, Unreachable
from resin_toolkit.logs.lines import Line
from resin_toolkit.logs.read_limits import SILENCE, ReadLimits
from resin_toolkit.ssh import Shell

SERVICE = "system"
"""The label of the journal among those of services."""
JOURNAL_STREAM = 3
"""The stream number of its lines."""
_READ_SIZE = 65536
_END = b"resin-end="
"""Precedes journalctl's exit code, which is sent when it ends."""
_MAX_ENTRY = 1024 * 1024
"""Bytes of the longest entry; journalctl leaves out fields of more than 4 KiB."""

_FOLLOW = ["--follow", "--no-tail"]

OnGap = Callable[[bytes, bytes], object]


@dataclass(frozen=True)
class JournalQuery:
    """The number of last entries, or `all`; times in seconds since 1970, or empty."""

    tail: str = "all"
    since: str = ""
    until: str = ""


class Journal:
    """The journal of one device. One thread reads; any other may `stop` it.

    If entries were lost, `on_gap` is called with the timestamps of the last entry that was read and of the
    first that is still there. Reading raises Unreachable, NotSupported and what `connect` raises.
    """

    def __init__(self, device: Device, connect: Callable[[Device], Shell], on_gap: OnGap) -> None:
        self.device = device
        self.stopped = False
        self._connect = connect
        self._on_gap = on_gap
        self._cursor = ""
        self._stamp = b""
        self._shell: Shell | None = None
        self._lock = Lock()

    def read_initial(self, query: JournalQuery) -> Iterator[list[Line]]:
        """Read the requested part of the journal as it is now."""
        words = [] if query.tail == "all" else [f"--lines={query.tail}"]
        words += [f"--since=@{query.since.partition('.')[0]}"] if query.since else []
        words += [f"--until=@{int(query.until.partition('.')[0]) + 1}"] if query.until else []
        if query.since or query.tail == "0":
            # Sets the cursor even if no entry is that new.
            for _ in self._lines(["--lines=1"]):
                pass
        if query.tail != "0":
            yield from self._lines(words)

    def read_new(self, *, follow: bool) -> Iterator[list[Line]]:
        """Read the entries after the last one that was read; with `follow`, until the connection ends."""
        following = _FOLLOW if follow else []
        if not self._cursor:
            yield from self._lines(following)
            return
        cursor, before = self._cursor, self._stamp
        found = False
        try:
            # If journalctl does not have this entry, it starts at the nearest one.
            for entries in self._entries([f"--cursor={cursor}", *following]):
                if not found and entries[0].get("__CURSOR") != cursor:
                    break
                new = entries if found else entries[1:]
                found = True
                yield self._advance(new)
        except NotSupported:
            if found:
                raise
        if not (found or self.stopped):
            yield from self._after_loss(before, following)

    def stop(self) -> None:
        """End a read in another thread."""
        with self._lock:
            self.stopped = True
            shell = self._shell
        if shell is not None:
            shell.close()

    def _after_loss(self, before: bytes, following: Sequence[str]) -> Iterator[list[Line]]:
        """Read all of this boot: the last entry is gone, and after a clock reset a time would hide some."""
        is_first = True
        for entries in self._entries(["--boot", *following]):
            lines = self._advance(entries)
            if is_first and lines:
                self._on_gap(before, lines[0].stamp)
                is_first = False
            yield lines

    def _lines(self, words: Sequence[str]) -> Iterator[list[Line]]:
        for entries in self._entries(words):
            yield self._advance(entries)

    def _advance(self, entries: Sequence[dict[str, Any]]) -> list[Line]:
        lines = [line_of(entry) for entry in entries]
        if entries:
            self._cursor = str(entries[-1].get("__CURSOR", ""))
            self._stamp = lines[-1].stamp
        return lines

    def _entries(self, words: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """Run journalctl with these options, and yield the entries as they arrive."""
        with self._open_shell() as shell, shell.raising_unreachable():
            options = " ".join(map(shlex.quote, ["--output=json", "--no-pager", "--quiet", *words]))
            stream = shell.open_command(f"journalctl {options} 2>/dev/null ; echo {_END.decode()}$?")
            receive = stream.recv
            if "--follow" not in words:
                stream.settimeout(SILENCE)
                limits = ReadLimits(self.device.host, SERVICE, SILENCE)
                receive = partial(limits.read, stream.recv)
            try:
                yield from _parse(self.device, receive)
            finally:
                stream.close()
                self._shell = None

    def _open_shell(self) -> Shell:
        shell = self._connect(self.device)
        with self._lock:
            self._shell = shell
            if self.stopped:
                shell.close()
        return shell


def _parse(device: Device, receive: Callable[[int], bytes]) -> Iterator[list[dict[str, Any]]]:
    rest = b""
    while data := receive(_READ_SIZE):
        *texts, rest = (rest + data).split(b"\n")
        if len(rest) > _MAX_ENTRY:
            raise NotSupported("The device sent a journal entry that does not end.")
        code = texts.pop().removeprefix(_END) if texts and texts[-1].startswith(_END) else None
        entries = [_entry(text) for text in texts if text]
        if entries:
            yield entries
        if code == b"0":
            return
        if code is not None:
            raise NotSupported(
                f"Cannot read the journal of {device.host}: journalctl exited with code "
                f"{code.decode(errors='replace')}.",
                hint="The operating system may have no systemd journal.",
            )
    raise Unreachable(
        f"The connection to {device.host} was lost.", hint="Check that the device is on.", cause="lost"
    )


def _entry(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        words = text[:80].decode(errors="replace")
        raise NotSupported(
            f"Cannot read the device's journal: journalctl printed {words!r}.",
            hint="The operating system may have no systemd journal.",
        )
    return found


def line_of(entry: dict[str, Any]) -> Line:
    """Format an entry as a line: `sshd[77]: Accepted …`."""
    name = _text(entry.get("SYSLOG_IDENTIFIER")) or _text(entry.get("_COMM")) or b"unknown"
    process = _text(entry.get("_PID")) or _text(entry.get("SYSLOG_PID"))
    about = name + (b"[" + process + b"]" if process else b"")
    message = _text(entry.get("MESSAGE")).rstrip(b"\n").replace(b"\n", b"\n    ")
    return Line(_stamp(entry), JOURNAL_STREAM, about + b": " + message, True)


def _text(value: Any) -> bytes:
    """A field: a text, a list of bytes if it is not UTF-8, or a list of those if it occurs several times."""
    while isinstance(value, list) and value:
        if all(isinstance(each, int) and 0 <= each < 256 for each in value):
            return bytes(value)
        value = value[0]
    return value.encode(errors="replace") if isinstance(value, str) else b""


def _stamp(entry: dict[str, Any]) -> bytes:
    try:
        return stamp_of_nanoseconds(int(_text(entry.get("__REALTIME_TIMESTAMP"))) * 1000)
    except ValueError:
        return stamp_of_nanoseconds(0)
