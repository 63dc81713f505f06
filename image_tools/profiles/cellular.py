"""Profiles of cellular connections (ModemManager)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from image_tools.profiles.identity import Profile, check_id, check_priority, is_readable, uuid_of
from image_tools.profiles.keyfile import Sections, escape
from resin_toolkit.errors import BadValue

DEFAULT_NUMBER = "*99#"
_APN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_NUMBER = re.compile(r"[0-9*#+]{1,32}", re.ASCII)
_PIN = re.compile(r"[0-9]{4,8}", re.ASCII)
_BAUD = "115200"


@dataclass(frozen=True)
class CellularProfile(Profile):
    """A cellular connection: the APN, and credentials if the operator requires them.

    `number` is dialled by older releases of NetworkManager, by default `*99#`; newer ones ignore it. `pin`
    unlocks the SIM. Raises BadValue for invalid values.
    """

    apn: str
    number: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    pin: str | None = field(default=None, repr=False)
    id: str = "cellular"
    priority: int | None = None

    def __post_init__(self) -> None:
        check_id(self.id)
        check_priority(self.priority)
        if not _APN.fullmatch(self.apn):
            raise BadValue(
                f'"{self.apn}" is not a valid APN.',
                hint="Use 1 to 64 letters, digits, `.`, `-` and `_`, such as internet.example.",
            )
        if self.number is not None and not _NUMBER.fullmatch(self.number):
            raise BadValue(
                f'"{self.number}" is not a valid number to dial.', hint=f"The default is {DEFAULT_NUMBER}."
            )
        if self.pin is not None and not _PIN.fullmatch(self.pin):
            raise BadValue("The SIM PIN is not 4 to 8 digits.", hint="Check the PIN.")
        if self.username is not None and not is_readable(self.username):
            raise BadValue(
                "The user name is empty or contains control characters.", hint="Omit it if there is none."
            )
        if self.password is not None and not is_readable(self.password):
            raise BadValue(
                "The password is empty or contains control characters.", hint="Omit it if there is none."
            )

    @property
    def connection_id(self) -> str:
        """Return `id`."""
        return self.id

    @property
    def uuid(self) -> str:
        """Derived from the id only, so it stays the same when other values change."""
        return uuid_of("cellular", self.id)

    def sections(self) -> Sections:
        """Return the sections of the keyfile, for NetworkManager 1.0 and later."""
        gsm = {"apn": self.apn, "number": self.number or DEFAULT_NUMBER}
        optional = {"username": self.username, "password": self.password, "pin": self.pin}
        gsm |= {key: escape(text) for key, text in optional.items() if text is not None}
        return {
            "connection": self._connection("gsm", self.priority),
            "gsm": gsm,
            "serial": {"baud": _BAUD},
            "ipv4": {"method": "auto"},
            "ipv6": {"method": "auto"},
        }
