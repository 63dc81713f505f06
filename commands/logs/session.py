"""One run of `resin logs`: the connection, what is told of it, and the end."""

from __future__ import annotations

import re
import select
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from resin_toolkit.device.record import Device
from resin_toolkit.device.service_cache import cache_services
from resin_toolkit.engine import Container, Engine
from resin_toolkit.engine.timestamps import (
    SECOND,
    clock_of,
    for_engine,
    moment,
    nanoseconds,
    stamp_of_nanoseconds,
)
from resin_toolkit.errors import BadValue, EngineFailed, Interrupted, Notice, ResinError, Usage
from resin_toolkit.logs.follower import LogFollower
from resin_toolkit.logs.journal import SERVICE, Journal
from resin_toolkit.logs.merge import write_merged
from resin_toolkit.logs.query import LogListener, LogQuery
from resin_toolkit.logs.rendering import LogFormat, RenderedLines, ServiceLabels, event
from resin_toolkit.logs.system_log import SystemLog
from resin_toolkit.logs.writer import LogWriter
from resin_toolkit.reach.reconnecting_engine import ReconnectingEngine
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import discard, screen

if TYPE_CHECKING:
    from resin_toolkit.logs.container_log import ContainerLog
    from resin_toolkit.ssh import Shell

_PATIENCE = 30.0
"""Seconds for which a device that is lost is waited for where nothing is followed."""


@dataclass(frozen=True)
class LogOptions:
    """The options of `resin logs`, as typed."""

    follow: bool
    tail: int | None
    since: str | None
    until: str | None
    services: tuple[str, ...]
    system: bool
    timestamps: bool
    grep: str | None
    raw: bool


class Beside(Protocol):
    """What goes on in a thread of its own beside logs that are followed."""

    def start(self, link: ReconnectingEngine, writer: LogWriter) -> None:
        """Begin; a failure is told to the writer."""

    def stop(self) -> None:
        """End; the link is closed."""


def follow_beside(
    report: Report,
    device: Device,
    *,
    app: str,
    services: tuple[str, ...],
    tail: str,
    beside: Beside | None,
) -> None:
    """Follow the logs of an application until Ctrl-C, while something else goes on."""

    lines = int(tail) if tail.isdecimal() else None
    options = LogOptions(True, lines, None, None, services, False, False, None, False)
    run(report, device, options, app=app, beside=beside)


def run(
    report: Report, device: Device, options: LogOptions, *, app: str = "", beside: Beside | None = None
) -> tuple[int, tuple[str, ...]]:
    """Show the logs; how many lines those were, and of which containers. `app` is one that alone counts."""
    pattern = _pattern(options.grep)
    report.if_interrupted = Interrupted("Stopped.")
    writer = LogWriter(report.raw, _descriptor())
    listener = _Told(report, writer)
    patience = None if options.follow else _PATIENCE
    connecting = _Connecting(report)
    link: ReconnectingEngine | None = None
    logs: LogFollower | None = None
    system: SystemLog | None = None
    try:
        if options.services or not options.system:
            link = ReconnectingEngine(
                device, connecting, lost=listener.lost, back=listener.back, patience=patience
            )
        clock = link.engine()[0].time if link else lambda: _clock(connecting, device)
        view, query, seconds = _meant(report, options, pattern, clock)
        query = replace(query, app=app)
        labels = ServiceLabels()
        if link is not None:
            logs = LogFollower(link, query, view, labels, writer, listener)
            logs.choose()
            cache_services(device.host, (container.service for container in logs.containers))
        if options.system:
            system = SystemLog(Journal(device, connecting.shell, listener.journal_gone), query, writer)
            system.begin(view, labels, listener.lost, listener.back, patience)
        present = [system.present()] if system else []
        if logs is not None:
            logs.show(present)
        else:
            write_merged(writer, present)
        if options.follow and (seconds is None or seconds > 0):
            deadline = None if seconds is None else time.monotonic() + seconds
            for source in (logs, system):
                if source is not None:
                    source.follow()
            if beside is not None and link is not None:
                beside.start(link, writer)
            writer.run(deadline)
        else:
            if logs is not None:
                logs.show_ends()
            writer.finish()
            writer.run()
    except KeyboardInterrupt:
        _let_go()
        raise
    finally:
        writer.close()
        if link is not None:
            link.close()
        for each in (logs, system, beside):
            if each is not None:
                each.stop()
    return writer.lines, tuple(container.name for container in logs.containers) if logs else ()


def check_options(options: LogOptions) -> None:
    """Raise BadValue for what no device could make sense of, before any is looked for."""
    _pattern(options.grep)
    for word in (options.since, options.until):
        if word:
            moment(word, time.time_ns())


def _clock(connecting: _Connecting, device: Device) -> str:
    """The device's clock by its shell, RFC 3339; empty where it does not say."""
    with connecting.shell(device) as shell:
        return shell.run("date -u +%Y-%m-%dT%H:%M:%SZ").out.decode(errors="replace").strip()


class _Connecting:
    """Connects as often as it must; what the user had to type is asked for once."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._answers: dict[str, str] = {}

    def __call__(self, device: Device) -> Engine:
        from resin_toolkit.engine import connect

        ask = self._ask if self._report.interactive else None
        return connect(device, ask=ask, warn=self._report.warn, tell=self._report.say)

    def shell(self, device: Device) -> Shell:
        """The device's shell."""
        from resin_toolkit.ssh import connect

        ask = self._ask if self._report.interactive else None
        return connect(device, ask=ask, tell=self._report.say)

    def _ask(self, question: str) -> str:
        if question not in self._answers:
            self._answers[question] = self._report.ask_secret(question)
        return self._answers[question]


class _Told(LogListener):
    """What there is to say beside the lines: remarks on stderr, or events."""

    def __init__(self, report: Report, writer: LogWriter) -> None:
        self._report = report
        self._writer = writer

    def lost(self, cause: ResinError) -> None:
        self._say("lost", f"{cause.message.rstrip('.')}; connecting again …", reason=cause.message)

    def back(self, seconds: float) -> None:
        self._say("back", f"Connected again after {seconds:.1f} s.", seconds=round(seconds, 3))

    def gone(self, log: ContainerLog, before: bytes, first: bytes) -> None:
        self._lost_lines(log.container.service, before, first)

    def journal_gone(self, before: bytes, first: bytes) -> None:
        self._lost_lines(SERVICE, before, first)

    def _lost_lines(self, service: str, before: bytes, first: bytes) -> None:
        text = (
            f"{service}: lines before {clock_of(first)} are gone: the device no longer has what followed "
            f"{clock_of(before)}."
        )
        self._event("gone", service=service, after=before.decode("ascii"), before=first.decode("ascii"))
        self._report.warn(Notice("lines-gone", text))

    def remark(self, log: ContainerLog, words: str) -> None:
        self._report.warn(Notice("engine-remark", f"{log.container.service}: the engine says: {words}"))

    def unreadable(self, container: Container, error: EngineFailed) -> None:
        self._report.warn(Notice("log-unreadable", f"{container.service}: {error.message}"))

    def may_drop(self, services: Sequence[str], why: str) -> None:
        names = ", ".join(services)
        self._event("may-drop", services=list(services), reason=why)
        self._report.warn(Notice("lines-may-be-missing", f"{names}: {why}."))

    def removed(self, container: Container, last: bytes) -> None:
        what = f"lines after {clock_of(last)} may be missing" if last else "none of its lines could be read"
        self._event(
            "removed", service=container.service, container=container.name, after=last.decode("ascii")
        )
        self._report.warn(
            Notice("container-removed", f"{container.service}: {container.name} was removed; {what}.")
        )

    def _say(self, name: str, text: str, **fields: object) -> None:
        self._event(name, **fields)
        self._report.say(text)

    def _event(self, name: str, **fields: object) -> None:
        if self._report.settings.json:
            self._writer.put(RenderedLines(event(name, **fields), 0))


def _meant(
    report: Report, options: LogOptions, pattern: re.Pattern[str] | None, clock: Callable[[], str]
) -> tuple[LogFormat, LogQuery, float | None]:
    """How it is shown, what is asked of the engine, and in how many seconds it ends."""
    now = 0
    if options.since or options.until:
        said = clock()
        now = nanoseconds(said) if said else time.time_ns()
    since = moment(options.since, now) if options.since else None
    until = moment(options.until, now) if options.until else None
    if since is not None and until is not None and until < since:
        raise Usage("--until lies before --since.", hint="Nothing can be shown between them.")
    view = LogFormat(
        timestamps=options.timestamps,
        raw=options.raw,
        json=report.settings.json,
        colour=screen().colour,
        grep=pattern,
        # A clock may be set back while it is followed: then the engine alone leaves out what is old.
        since=stamp_of_nanoseconds(since) if since is not None and not options.follow else b"",
        until=stamp_of_nanoseconds(until) if until is not None else b"",
    )
    query = LogQuery(
        frozenset(options.services),
        tail="all" if options.tail is None else str(options.tail),
        since=for_engine(since) if since is not None else "",
        until=for_engine(until) if until is not None else "",
    )
    return view, query, None if until is None else (until - now) / SECOND


def _pattern(words: str | None) -> re.Pattern[str] | None:
    if words is None:
        return None
    try:
        return re.compile(words)
    except re.error as error:
        raise BadValue(
            f"{words!r} is no regular expression: {error}.",
            hint="Put a \\ before signs that mean themselves.",
        ) from error


def _descriptor() -> int | None:
    """The descriptor of stdout; None where it is none of the system's."""
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError):
        return None


def _let_go() -> None:
    """Let what a reader does not take vanish, so that the end does not wait for it."""
    descriptor = _descriptor()
    if descriptor is None:
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not any(events & select.POLLOUT for _, events in poll.poll(0)):
        discard(sys.stdout)
