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
    """One of several cards, numbered from 1. A field that is None is not specific to the card."""

    number: int = 1
    hostname: str | None = None
    address: str | None = None
    """In the form ADDRESS/PREFIX."""
    gateway: str | None = None

    def named(self, hostname: str) -> str:
        """Return the card's own host name, else `hostname` with `{n}` replaced by the card's number."""
        return self.hostname or hostname.replace(NUMBER, str(self.number))


def read_cards(hosts: Path | None, count: int) -> list[Card]:
    """Return `count` cards, with the first rows of the CSV file `hosts`. Raises Usage or BadValue."""
    if hosts is None:
        return [Card(number) for number in range(1, count + 1)]
    cards = _read(hosts)
    if len(cards) < count:
        raise Usage(
            f"{hosts} has {len(cards)} hosts for {count} targets.",
            hint="Add a row for each target, or give fewer targets.",
        )
    return cards[:count]


def check_unique(hostname: str | None, cards: Sequence[Card]) -> None:
    """Raise Usage if two cards would have the same host name (ignoring case) or the same address."""
    duplicate = _first_duplicate(card.named(hostname or "") for card in cards)
    if duplicate is not None:
        raise Usage(
            f"The host name {duplicate} would be used for more than one card.",
            hint="Add {n}, the number of the card, to --hostname, or list host names in a file with --hosts.",
        )
    duplicate = _first_duplicate((card.address or "").partition("/")[0] for card in cards)
    if duplicate is not None:
        raise Usage(
            f"The address {duplicate} would be used for more than one card.",
            hint="Give each card its addressing address in the --hosts file.",
        )


def _first_duplicate(values: Iterable[str]) -> str | None:
    """Return the first value that occurs twice, ignoring case."""
    seen = set[str]()
    for value in filter(None, values):
        if value.casefold() in seen:
            return value
        seen.add(value.casefold())
    return None


def assign_address(found: Sequence[profiles.Profile], card: Card) -> list[profiles.Profile]:
    """Return the profiles with the card's address set in the Ethernet, else in the first Wi-Fi profile.

    Adds an Ethernet profile if there is neither.
    """
    if card.address is None:
        return list(found)
    from dataclasses import replace

    from image_tools.profiles import Addressing, EthernetProfile, WifiProfile

    gateway = (card.gateway,) if card.gateway else ()
    for profile_type in (EthernetProfile, WifiProfile):
        for index, profile in enumerate(found):
            if isinstance(profile, profile_type):
                addressing = replace(profile.addressing, static=(card.address,), gateway=gateway)
                return [*found[:index], replace(profile, addressing=addressing), *found[index + 1 :]]
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
        raise BadValue(f"The first line of {path} is not a valid header: {found}.", hint=_hint())


def _card(path: Path, line: int, number: int, row: dict[str, str]) -> Card:
    if None in row or None in row.values():
        raise BadValue(f"{path}, line {line}: the number of columns differs from the header.", hint=_hint())
    values = {name: (row.get(name) or "").strip() or None for name in COLUMNS}
    if values["hostname"] is None:
        raise BadValue(f"{path}, line {line}: the host name is missing.", hint=_hint())
    if values["gateway"] is not None and values["address"] is None:
        raise BadValue(f"{path}, line {line}: a gateway requires an address.", hint=_hint())
    return Card(number, **values)


def _hint() -> str:
    return "The first line must be hostname,address,gateway; address and gateway are optional."
