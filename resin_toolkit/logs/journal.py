"""The journal of a device's system, read over SSH and gone on with where it was left.

Source: journalctl(1), systemd's JOURNAL_EXPORT_FORMATS ("Journal JSON Format"), systemd.journal-fields(7).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from resin_toolkit.device.record import Device
from resin_toolkit.engine.timestamps import stamp_of_nanoseconds
from resin_toolkit.errors import NotSupported, Unreachable
from resin_toolkit.logs.lines import Line
from resin_toolkit.ssh import Shell, Stream

SERVICE = "system"
"""What the journal is called beside services."""
JOURNAL_STREAM = 3
"""The stream of its lines."""
_READ = 65536
_END = b"resin-end="
"""Stands before journalctl's exit code, where it has come to its end."""
_LONGEST_ENTRY = 16 * 1024 * 1024

Gone = Callable[[bytes, bytes], object]


@dataclass(frozen=True)
class JournalQuery:
    """What is asked of the journal: times in seconds since 1970, empty for any; entries, or `all`."""

    tail: str = "all"
    since: str = ""
    until: str = ""


class Journal:
    """The journal of one device. One thread reads; any other may `stop` it.

    `gone` is told the times of the last entry that was taken and of the first that is still there, where
    those between are lost. What reads raises Unreachable, NotSupported and what `connect` raises.
    """

    def __init__(self, device: Device, connect: Callable[[Device], Shell], gone: Gone) -> None:
        self.device = device
        self.stopped = False
        self._connect = connect
        self._gone = gone
        self._cursor = ""
        self._stamp = b""
        self._shell: Shell | None = None
        self._lock = Lock()

    def first(self, span: JournalQuery) -> Iterator[list[Line]]:
        """What was asked for of the journal as it is now."""
        words = [] if span.tail == "all" else [f"--lines={span.tail}"]
        words += [f"--since=@{span.since.partition('.')[0]}"] if span.since else []
        words += [f"--until=@{int(span.until.partition('.')[0]) + 1}"] if span.until else []
        if span.since or span.tail == "0":
            # So that there is a place to go on from even if nothing is as new as that.
            for _ in self._lines(["--lines=1"]):
                pass
        if span.tail != "0":
            yield from self._lines(words)

    def rest(self, *, follow: bool) -> Iterator[list[Line]]:
        """What comes behind what was taken; with `follow` as it comes, until the connection ends."""
        following = ["--follow", "--no-tail"] if follow else []
        if not self._cursor:
            yield from self._lines(following)
            return
        place, before = self._cursor, self._stamp
        found = False
        try:
            # journalctl goes to the nearest entry where it does not have this one.
            for entries in self._entries([f"--cursor={place}", *following]):
                if not found and entries[0].get("__CURSOR") != place:
                    break
                fresh = entries if found else entries[1:]
                found = True
                yield self._taken(fresh)
        except NotSupported:
            if found:
                raise
        if not (found or self.stopped):
            yield from self._after_loss(before, following)

    def stop(self) -> None:
        """End what is read in another thread."""
        with self._lock:
            self.stopped = True
            shell = self._shell
        if shell is not None:
            shell.close()

    def _after_loss(self, before: bytes, following: Sequence[str]) -> Iterator[list[Line]]:
        """All of this boot, where the place is not there any more: a clock that was reset hides no entry."""
        is_first = True
        for entries in self._entries(["--boot", *following]):
            lines = self._taken(entries)
            if is_first and lines:
                self._gone(before, lines[0].stamp)
                is_first = False
            yield lines

    def _lines(self, words: Sequence[str]) -> Iterator[list[Line]]:
        for entries in self._entries(words):
            yield self._taken(entries)

    def _taken(self, entries: Sequence[dict[str, Any]]) -> list[Line]:
        lines = [line_of(entry) for entry in entries]
        if entries:
            self._cursor = str(entries[-1].get("__CURSOR", ""))
            self._stamp = lines[-1].stamp
        return lines

    def _entries(self, words: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """The entries that a journalctl with these words gives, as they come."""
        with self._connected() as shell, shell.raising_unreachable():
            options = " ".join(map(shlex.quote, ["--output=json", "--no-pager", "--quiet", *words]))
            stream = shell.open_command(f"journalctl {options} 2>/dev/null ; echo {_END.decode()}$?")
            try:
                yield from _parsed(self.device, stream)
            finally:
                stream.close()
                self._shell = None

    def _connected(self) -> Shell:
        shell = self._connect(self.device)
        with self._lock:
            self._shell = shell
            if self.stopped:
                shell.close()
        return shell


def _parsed(device: Device, stream: Stream) -> Iterator[list[dict[str, Any]]]:
    rest = b""
    while data := stream.recv(_READ):
        *texts, rest = (rest + data).split(b"\n")
        if len(rest) > _LONGEST_ENTRY:
            raise NotSupported("The device sent a journal entry that does not end.")
        code = texts.pop().removeprefix(_END) if texts and texts[-1].startswith(_END) else None
        entries = [_entry(text) for text in texts if text]
        if entries:
            yield entries
        if code == b"0":
            return
        if code is not None:
            raise NotSupported(
                f"The journal of {device.host} cannot be read: journalctl ended with "
                f"{code.decode(errors='replace')}.",
                hint="An OS without systemd's journal keeps no log of its system.",
            )
    raise Unreachable(
        f"The connection to {device.host} was lost.", hint="Is the device still on?", cause="lost"
    )


def _entry(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        words = text[:80].decode(errors="replace")
        raise NotSupported(
            f"The device's journal cannot be read: journalctl said {words!r}.",
            hint="An OS without systemd's journal keeps no log of its system.",
        )
    return found


def line_of(entry: dict[str, Any]) -> Line:
    """An entry as a line: `sshd[77]: Accepted …`."""
    name = _text(entry.get("SYSLOG_IDENTIFIER")) or _text(entry.get("_COMM")) or b"unknown"
    process = _text(entry.get("_PID")) or _text(entry.get("SYSLOG_PID"))
    about = name + (b"[" + process + b"]" if process else b"")
    message = _text(entry.get("MESSAGE")).rstrip(b"\n").replace(b"\n", b"\n    ")
    return Line(_stamp(entry), JOURNAL_STREAM, about + b": " + message, True)


def _text(value: Any) -> bytes:
    """A field: text, a list of byte values where it is no UTF-8, a list of those where it comes twice."""
    if isinstance(value, str):
        return value.encode(errors="replace")
    if isinstance(value, list) and value:
        if all(isinstance(each, int) and 0 <= each < 256 for each in value):
            return bytes(value)
        return _text(value[0])
    return b""


def _stamp(entry: dict[str, Any]) -> bytes:
    try:
        return stamp_of_nanoseconds(int(_text(entry.get("__REALTIME_TIMESTAMP"))) * 1000)
    except ValueError:
        return stamp_of_nanoseconds(0)
