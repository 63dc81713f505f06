"""The host names and addresses of cards that are flashed together, from a CSV file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resin_toolkit.errors import BadValue, Usage, from_os_error

if TYPE_CHECKING:
    from image_tools import profiles

COLUMNS = ("hostname", "address", "gateway")
NUMBER = "{n}"


@dataclass(frozen=True)
class Card:
    """One of several cards, counted from 1; what is None is the same for all."""

    number: int = 1
    hostname: str | None = None
    address: str | None = None
    """ADDRESS/PREFIX"""
    gateway: str | None = None

    def named(self, hostname: str) -> str:
        """The host name of this card: its own, else `hostname` with the card's number for `{n}`."""
        return self.hostname or hostname.replace(NUMBER, str(self.number))


def cards_of(hosts: Path | None, count: int) -> list[Card]:
    """`count` cards, the first rows of the file `hosts` if there is one. Raises Usage, BadValue."""
    if hosts is None:
        return [Card(number) for number in range(1, count + 1)]
    cards = _read(hosts)
    if len(cards) < count:
        raise Usage(
            f"{hosts} names {len(cards)} hosts, and there are {count} targets.",
            hint="Add a row for each, or name fewer targets.",
        )
    return cards[:count]


def check_numbered(hostname: str | None, cards: Sequence[Card]) -> None:
    """Raise Usage where several cards would get the same host name, in whatever case, or the same address."""
    doubled = _doubled(card.named(hostname or "") for card in cards)
    if doubled is not None:
        raise Usage(
            f"More than one of {len(cards)} cards would be called {doubled}.",
            hint="Put {n} into --hostname, which counts, or name them in a file with --hosts.",
        )
    doubled = _doubled((card.address or "").partition("/")[0] for card in cards)
    if doubled is not None:
        raise Usage(
            f"More than one of {len(cards)} cards would have the address {doubled}.",
            hint="Give each its own in the file of --hosts.",
        )


def _doubled(values: Iterable[str]) -> str | None:
    """The first value that is there twice; case does not count."""
    seen = set[str]()
    for value in filter(None, values):
        if value.casefold() in seen:
            return value
        seen.add(value.casefold())
    return None


def with_address(found: Sequence[profiles.Profile], card: Card) -> list[profiles.Profile]:
    """The profiles, of which the cable's, else the first Wi-Fi's, has the card's address.

    Where there is neither, a profile for the cable is added.
    """
    if card.address is None:
        return list(found)
    from dataclasses import replace

    from image_tools.profiles import Addressing, EthernetProfile, WifiProfile

    gateway = (card.gateway,) if card.gateway else ()
    for kind in (EthernetProfile, WifiProfile):
        for index, profile in enumerate(found):
            if isinstance(profile, kind):
                own = replace(profile.addressing, static=(card.address,), gateway=gateway)
                return [*found[:index], replace(profile, addressing=own), *found[index + 1 :]]
    return [*found, EthernetProfile("ethernet", None, Addressing(static=(card.address,), gateway=gateway))]


def _read(path: Path) -> list[Card]:
    import csv

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            _check_columns(path, rows.fieldnames or ())
            return [_card(path, rows.line_num, number, row) for number, row in enumerate(rows, start=1)]
    except OSError as error:
        raise from_os_error(error, path) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadValue(f"{path} is not a CSV file: {error}.", hint=_hint()) from error


def _check_columns(path: Path, names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or "hostname" not in names or len(set(names)) < len(names):
        found = ", ".join(names) or "nothing"
        raise BadValue(f"The first line of {path} does not name its columns: it has {found}.", hint=_hint())


def _card(path: Path, line: int, number: int, row: dict[str, str]) -> Card:
    if None in row or None in row.values():
        told = f"{path}, line {line}: it has another number of columns than the first line."
        raise BadValue(told, hint=_hint())
    values = {name: (row.get(name) or "").strip() or None for name in COLUMNS}
    if values["hostname"] is None:
        raise BadValue(f"{path}, line {line}: the host name is missing.", hint=_hint())
    if values["gateway"] is not None and values["address"] is None:
        raise BadValue(f"{path}, line {line}: a gateway needs an address.", hint=_hint())
    return Card(number, **values)


def _hint() -> str:
    return "The first line is hostname,address,gateway; the last two may be left out or empty."
