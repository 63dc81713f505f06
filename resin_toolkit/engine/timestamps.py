"""Times of log lines: as the engine writes them, as it takes them, and as people type them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from resin_toolkit.errors import BadValue

STAMP_LENGTH = 30
"""`2026-01-02T03:04:05.123456789Z`: RFC 3339 in UTC with nine digits, so that stamps compare as times."""
SECOND = 1_000_000_000
"""Nanoseconds."""

_EPOCH = date(1970, 1, 1).toordinal()
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?\s*(Z|z|[+-]\d\d:?\d\d)", re.ASCII
)
_LOCAL = re.compile(r"(?:(\d{4}-\d\d-\d\d)(?:[T ]|$))?(?:(\d\d?:\d\d)(:\d\d)?(?:\.(\d{1,9}))?)?", re.ASCII)
_SPAN = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_SPAN_SECONDS = (7 * 86400, 86400, 3600, 60, 1)
_UNIX = re.compile(r"(\d{6,11})(?:\.(\d{1,9}))?", re.ASCII)
_HINT = "Use 10m, 2h, 1d, 10:00, '2026-11-24 10:00' or 2026-11-24T10:00:00Z."


def normal_stamp(stamp: bytes) -> bytes:
    """A time in RFC 3339 as a stamp of `STAMP_LENGTH` bytes; the engine may leave out zeros at its end.

    Raises ValueError where it is no time.
    """
    return stamp_of_nanoseconds(nanoseconds(stamp.decode("ascii")))


def nanoseconds(stamp: str) -> int:
    """The nanoseconds since 1970 of a time in RFC 3339; more than nine digits of the second are cut off.

    Raises ValueError.
    """
    match = _STAMP.fullmatch(stamp.strip())
    if match is None:
        raise ValueError(f"no time in RFC 3339: {stamp!r}")
    day, clock, fraction, zone = match.groups()
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    if hours > 23 or minutes > 59 or seconds > 60:
        raise ValueError(f"no time of day: {stamp!r}")
    whole = (date.fromisoformat(day).toordinal() - _EPOCH) * 86400 + hours * 3600 + minutes * 60 + seconds
    return (whole - _offset(zone)) * SECOND + int((fraction or "").ljust(9, "0"))


def stamp_of_nanoseconds(value: int) -> bytes:
    """The stamp of a time in nanoseconds since 1970. Raises ValueError outside of the years 1 to 9999."""
    seconds, rest = divmod(value, SECOND)
    days, second = divmod(seconds, 86400)
    try:
        day = date.fromordinal(_EPOCH + days)
    except OverflowError as error:
        raise ValueError(f"no year that has four digits: {value}") from error
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return f"{day.isoformat()}T{clock}.{rest:09}Z".encode()


def for_engine(value: int) -> str:
    """A time as the engine's `since` and `until` take it: seconds, a point, nine digits of nanoseconds."""
    seconds, rest = divmod(max(0, value), SECOND)
    return f"{seconds}.{rest:09}"


def clock_of(stamp: bytes) -> str:
    """The time of day of a stamp in this machine's time zone, with the date if it is not today's."""
    moment = datetime.fromtimestamp(nanoseconds(stamp.decode("ascii")) // SECOND).astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def moment(word: str, now: int) -> int:
    """The time that a person means, in nanoseconds since 1970; `now` is what the device's clock shows.

    Times of RFC 3339, seconds since 1970, spans before `now` (`10m`, `1h30m`), local times, those without a
    date on the day of `now`. Raises BadValue.
    """
    text = word.strip()
    try:
        found = _absolute(text, now)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None:
        raise BadValue(f"{word!r} is not a valid time.", hint=_HINT)
    return found


def _absolute(text: str, now: int) -> int | None:
    if _STAMP.fullmatch(text):
        return nanoseconds(text)
    if unix := _UNIX.fullmatch(text):
        return int(unix[1]) * SECOND + int((unix[2] or "").ljust(9, "0"))
    span = _SPAN.fullmatch(text)
    if span is not None and text:
        return now - SECOND * sum(
            int(part or 0) * unit for part, unit in zip(span.groups(), _SPAN_SECONDS, strict=True)
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
    """The seconds that a zone is ahead of UTC."""
    if zone in "Zz":
        return 0
    sign = -1 if zone[0] == "-" else 1
    digits = zone[1:].replace(":", "")
    return sign * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)
