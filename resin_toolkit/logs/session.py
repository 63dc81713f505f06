"""Showing and following the logs of a device, from the options of `resin logs` to the last line."""

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
    local_time,
    nanoseconds,
    parse_time,
    query_time,
    stamp_of_nanoseconds,
)
from resin_toolkit.errors import BadValue, EngineFailed, Interrupted, Notice, ResinError, Usage
from resin_toolkit.logs.follower import LogFollower
from resin_toolkit.logs.journal import SERVICE, Journal
from resin_toolkit.logs.merge import write_merged
from resin_toolkit.logs.query import LogListener, LogQuery
from resin_toolkit.logs.rendering import LogFormat, RenderedLines, ServiceLabels, json_event
from resin_toolkit.logs.system_log import SystemLog
from resin_toolkit.logs.writer import LogWriter
from resin_toolkit.reach.reconnecting_engine import ReconnectingEngine
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import discard, screen

if TYPE_CHECKING:
    from resin_toolkit.logs.container_log import ContainerLog
    from resin_toolkit.ssh import Shell

_PATIENCE = 10.0
"""Seconds to wait for a lost device if the logs are not followed."""
_LATEST = 4_102_444_800 * SECOND
"""The year 2100."""


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


class BackgroundTask(Protocol):
    """Work in a thread of its own while logs are followed."""

    def start(self, link: ReconnectingEngine, writer: LogWriter) -> None:
        """Start; report failures to `writer.fail`."""

    def stop(self) -> None:
        """Stop; the connection is already closed."""


def follow_application(
    report: Report,
    device: Device,
    *,
    app: str,
    services: tuple[str, ...],
    tail: str,
    background: BackgroundTask | None,
) -> None:
    """Follow the logs of an application until Ctrl-C, with a background task."""
    lines = int(tail) if tail.isdecimal() else None
    options = LogOptions(True, lines, None, None, services, False, False, None, False)
    show_logs(report, device, options, app=app, background=background)


def show_logs(
    report: Report,
    device: Device,
    options: LogOptions,
    *,
    app: str = "",
    background: BackgroundTask | None = None,
) -> tuple[int, tuple[str, ...]]:
    """Show the logs, and return the number of lines and the names of the containers.

    `app` restricts them to one application.
    """
    pattern = _pattern(options.grep)
    report.if_interrupted = Interrupted("Stopped.")
    writer = LogWriter(report.raw, _descriptor())
    listener = _ReportListener(report, writer)
    patience = None if options.follow else _PATIENCE
    connector = _Connector(report)
    link: ReconnectingEngine | None = None
    logs: LogFollower | None = None
    system: SystemLog | None = None
    try:
        if options.services or not options.system:
            link = ReconnectingEngine(
                device, connector, lost=listener.lost, back=listener.back, patience=patience
            )
        clock = link.engine()[0].time if link else lambda: _clock(connector, device)
        log_format, query, seconds = _resolve_options(report, options, pattern, clock)
        query = replace(query, app=app)
        labels = ServiceLabels()
        if link is not None:
            logs = LogFollower(link, query, log_format, labels, writer, listener)
            logs.select()
            cache_services(device.host, (container.service for container in logs.containers))
        if options.system:
            system = SystemLog(Journal(device, connector.shell, listener.journal_gap), query, writer)
            system.configure(log_format, labels, listener.lost, listener.back, patience)
        existing = [system.read_existing()] if system else []
        if logs is not None:
            logs.show_existing(existing)
        else:
            write_merged(writer, existing)
        if options.follow and (seconds is None or seconds > 0):
            deadline = None if seconds is None else time.monotonic() + seconds
            for source in (logs, system):
                if source is not None:
                    source.follow()
            if background is not None and link is not None:
                background.start(link, writer)
            writer.run(deadline)
        else:
            if logs is not None:
                logs.flush()
            writer.finish()
            writer.run()
    except KeyboardInterrupt:
        _discard_unread_output()
        raise
    finally:
        writer.close()
        if link is not None:
            link.close()
        for each in (logs, system, background):
            if each is not None:
                each.stop()
    return writer.lines, tuple(container.name for container in logs.containers) if logs else ()


def check_options(options: LogOptions) -> None:
    """Raise BadValue for invalid options, before a device is searched for."""
    _pattern(options.grep)
    for word in (options.since, options.until):
        if word:
            parse_time(word, time.time_ns())


def _clock(connector: _Connector, device: Device) -> str:
    """Read the device's clock over SSH, in RFC 3339; empty if it does not answer."""
    with connector.shell(device) as shell:
        return shell.run("date -u +%Y-%m-%dT%H:%M:%SZ").out.decode(errors="replace").strip()


class _Connector:
    """Connects to a device any number of times, and prompts for each secret only once."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._answers: dict[str, str] = {}
        self._connected = False

    def __call__(self, device: Device) -> Engine:
        from resin_toolkit.engine import connect

        ask = self._ask if self._report.interactive else None
        # A question would be in the middle of the logs once the first connection is lost.
        agree = self._report.agrees if self._report.interactive and not self._connected else None
        engine = connect(device, ask=ask, warn=self._report.warn, tell=self._report.say, agree=agree)
        self._connected = True
        return engine

    def shell(self, device: Device) -> Shell:
        """The device's shell."""
        from resin_toolkit.ssh import connect

        ask = self._ask if self._report.interactive else None
        return connect(device, ask=ask, tell=self._report.say)

    def _ask(self, question: str) -> str:
        if question not in self._answers:
            self._answers[question] = self._report.ask_secret(question)
        return self._answers[question]


class _ReportListener(LogListener):
    """Reports log events as messages on stderr, or as JSON events."""

    def __init__(self, report: Report, writer: LogWriter) -> None:
        self._report = report
        self._writer = writer

    def lost(self, cause: ResinError) -> None:
        self._say("lost", f"{cause.message.rstrip('.')}; reconnecting …", reason=cause.message)

    def back(self, seconds: float) -> None:
        self._say("back", f"Reconnected after {seconds:.1f} s.", seconds=round(seconds, 3))

    def gap(self, log: ContainerLog, before: bytes, first: bytes) -> None:
        self._lost_lines(log.container.service, before, first)

    def journal_gap(self, before: bytes, first: bytes) -> None:
        self._lost_lines(SERVICE, before, first)

    def _lost_lines(self, service: str, before: bytes, first: bytes) -> None:
        text = (
            f"{service}: lines between {local_time(before)} and {local_time(first)} are lost; the device no "
            "longer has them."
        )
        self._event("gone", service=service, after=before.decode("ascii"), before=first.decode("ascii"))
        self._report.warn(Notice("lines-gone", text))

    def engine_message(self, log: ContainerLog, message: str) -> None:
        self._report.warn(
            Notice("engine-remark", f"{log.container.service}: message from the engine: {message}")
        )

    def unreadable(self, container: Container, error: EngineFailed) -> None:
        self._report.warn(Notice("log-unreadable", f"{container.service}: {error.message}"))

    def may_drop(self, services: Sequence[str], reason: str) -> None:
        names = ", ".join(services)
        self._event("may-drop", services=list(services), reason=reason)
        self._report.warn(Notice("lines-may-be-missing", f"{names}: {reason}."))

    def removed(self, container: Container, last: bytes) -> None:
        loss = f"lines after {local_time(last)} may be missing" if last else "its log could not be read"
        self._event(
            "removed", service=container.service, container=container.name, after=last.decode("ascii")
        )
        self._report.warn(
            Notice("container-removed", f"{container.service}: {container.name} was removed; {loss}.")
        )

    def _say(self, name: str, text: str, **fields: object) -> None:
        self._event(name, **fields)
        self._report.say(text)

    def _event(self, name: str, **fields: object) -> None:
        if self._report.settings.json:
            self._writer.put(RenderedLines(json_event(name, **fields), 0))


def _resolve_options(
    report: Report, options: LogOptions, pattern: re.Pattern[str] | None, clock: Callable[[], str]
) -> tuple[LogFormat, LogQuery, float | None]:
    """Return the format, the query, and after how many seconds `--until` is reached."""
    now = 0
    if options.since or options.until:
        now = _plausible(clock())
    since = parse_time(options.since, now) if options.since else None
    until = parse_time(options.until, now) if options.until else None
    if since is not None and until is not None and until < since:
        raise Usage("--until is before --since.", hint="Give a later --until.")
    log_format = LogFormat(
        timestamps=options.timestamps,
        raw=options.raw,
        json=report.settings.json,
        colour=screen().colour,
        grep=pattern,
        # The device's clock may be set back while its log is followed: then only the engine filters.
        since=stamp_of_nanoseconds(since) if since is not None and not options.follow else b"",
        until=stamp_of_nanoseconds(until) if until is not None else b"",
    )
    query = LogQuery(
        frozenset(options.services),
        tail="all" if options.tail is None else str(options.tail),
        since=query_time(since) if since is not None else "",
        until=query_time(until) if until is not None else "",
    )
    return log_format, query, None if until is None else (until - now) / SECOND


def _plausible(device_time: str) -> int:
    """The time of the device's clock in nanoseconds since 1970; this machine's if that is no usable time."""
    try:
        now = nanoseconds(device_time)
    except ValueError:
        return time.time_ns()
    return now if 0 <= now < _LATEST else time.time_ns()


def _pattern(expression: str | None) -> re.Pattern[str] | None:
    if expression is None:
        return None
    try:
        return re.compile(expression)
    except re.error as error:
        raise BadValue(
            f"{expression!r} is not a valid regular expression: {error}.",
            hint="Escape special characters with \\.",
        ) from error


def _descriptor() -> int | None:
    """The file descriptor of stdout; None if it has none."""
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError):
        return None


def _discard_unread_output() -> None:
    """Discard output that nobody reads, so that the process can exit."""
    descriptor = _descriptor()
    if descriptor is None:
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not any(events & select.POLLOUT for _, events in poll.poll(0)):
        discard(sys.stdout)
