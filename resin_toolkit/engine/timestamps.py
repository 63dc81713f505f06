"""Timestamps of log lines: the engine's format, that of its queries, and what users type."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from resin_toolkit.errors import BadValue

STAMP_LENGTH = 30
"""The length of `2026-01-02T03:04:05.123456789Z`. Such timestamps sort by time, as bytes."""
SECOND = 1_000_000_000
"""Nanoseconds."""

_EPOCH = date(1970, 1, 1).toordinal()
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?\s*(Z|z|[+-]\d\d:?\d\d)", re.ASCII
)
_LOCAL = re.compile(r"(?:(\d{4}-\d\d-\d\d)(?:[T ]|$))?(?:(\d\d?:\d\d)(:\d\d)?(?:\.(\d{1,9}))?)?", re.ASCII)
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_DURATION_SECONDS = (7 * 86400, 86400, 3600, 60, 1)
_UNIX = re.compile(r"(\d{6,11})(?:\.(\d{1,9}))?", re.ASCII)
_HINT = "Use 10m, 2h, 1d, 10:00, '2026-11-24 10:00' or 2026-11-24T10:00:00Z."


def normalize_stamp(stamp: bytes) -> bytes:
    """An RFC 3339 timestamp with `STAMP_LENGTH` bytes, in UTC; the engine may omit trailing zeros.

    Raises ValueError.
    """
    return stamp_of_nanoseconds(nanoseconds(stamp.decode("ascii")))


def is_stamp(text: str) -> bool:
    """Whether `text` is an RFC 3339 timestamp."""
    try:
        nanoseconds(text)
    except ValueError:
        return False
    return True


def nanoseconds(stamp: str) -> int:
    """The nanoseconds since 1970 of an RFC 3339 timestamp; digits after the ninth are cut off.

    Raises ValueError.
    """
    match = _STAMP.fullmatch(stamp.strip())
    if match is None:
        raise ValueError(f"not an RFC 3339 timestamp: {stamp!r}")
    day, clock, fraction, zone = match.groups()
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    if hours > 23 or minutes > 59 or seconds > 60:
        raise ValueError(f"not a time of day: {stamp!r}")
    whole = (date.fromisoformat(day).toordinal() - _EPOCH) * 86400 + hours * 3600 + minutes * 60 + seconds
    return (whole - _offset(zone)) * SECOND + int((fraction or "").ljust(9, "0"))


def stamp_of_nanoseconds(value: int) -> bytes:
    """The timestamp of a time in nanoseconds since 1970. Raises ValueError outside the years 1 to 9999."""
    seconds, rest = divmod(value, SECOND)
    days, second = divmod(seconds, 86400)
    try:
        day = date.fromordinal(_EPOCH + days)
    except OverflowError as error:
        raise ValueError(f"not a year of four digits: {value}") from error
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return f"{day.isoformat()}T{clock}.{rest:09}Z".encode()


def query_time(value: int) -> str:
    """Nanoseconds since 1970 as for the engine's `since` and `until`: seconds with nine decimal places."""
    seconds, rest = divmod(max(0, value), SECOND)
    return f"{seconds}.{rest:09}"


def local_time(stamp: bytes) -> str:
    """The time of day of a timestamp in this machine's time zone, with the date unless it is today.

    A time that has no form in that zone is returned unchanged.
    """
    try:
        time_here = datetime.fromtimestamp(nanoseconds(stamp.decode("ascii")) // SECOND).astimezone()
    except (ValueError, OverflowError, OSError):  # the first and the last year, in some time zones
        return stamp.decode("ascii", errors="replace")
    today = time_here.date() == datetime.now().astimezone().date()
    return time_here.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def parse_time(text: str, now: int) -> int:
    """Parse a time that a user typed, to nanoseconds since 1970; `now` is the time of the device's clock.

    Accepts RFC 3339, seconds since 1970, durations before `now` (`10m`, `1h30m`), and local times, which are
    on the day of `now` if they have no date. Raises BadValue.
    """
    try:
        found = _parse_time(text.strip(), now)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None:
        raise BadValue(f"{text!r} is not a valid time.", hint=_HINT)
    return found


def _parse_time(text: str, now: int) -> int | None:
    if _STAMP.fullmatch(text):
        return nanoseconds(text)
    if unix := _UNIX.fullmatch(text):
        return int(unix[1]) * SECOND + int((unix[2] or "").ljust(9, "0"))
    duration = _DURATION.fullmatch(text)
    if duration is not None and text:
        return now - SECOND * sum(
            int(part or 0) * unit for part, unit in zip(duration.groups(), _DURATION_SECONDS, strict=True)
        )
    local = _LOCAL.fullmatch(text)
    if local is None or not text or text[-1] in "T ":
        return None
    day, minutes, seconds, fraction = local.groups()
    today = datetime.fromtimestamp(now // SECOND).astimezone().date()
    clock = time.fromisoformat(f"{(minutes or '00:00').zfill(5)}{seconds or ':00'}")
    whole = datetime.combine(date.fromisoformat(day) if day else today, clock).astimezone()
    since_1970 = (whole - datetime.fromtimestamp(0, UTC)) // timedelta(seconds=1)
    return since_1970 * SECOND + int((fraction or "").ljust(9, "0"))


def _offset(zone: str) -> int:
    """The seconds by which a time zone is ahead of UTC."""
    if zone in "Zz":
        return 0
    sign = -1 if zone[0] == "-" else 1
    digits = zone[1:].replace(":", "")
    return sign * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)
