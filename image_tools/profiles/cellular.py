"""A mobile network, over a modem (ModemManager)."""

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
    """A mobile network: its access point name, and what the operator asks for besides.

    `number` is what older NetworkManagers dial, `*99#` if left out; newer ones do not read it. `pin` is the
    SIM's. Raises BadValue for what cannot work.
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
                f'"{self.apn}" is no access point name.',
                hint="It has 1 to 64 letters, digits, dots and hyphens, such as internet.example.",
            )
        if self.number is not None and not _NUMBER.fullmatch(self.number):
            raise BadValue(f'"{self.number}" cannot be dialled.', hint=f"Without it, {DEFAULT_NUMBER} is.")
        if self.pin is not None and not _PIN.fullmatch(self.pin):
            raise BadValue("The SIM's PIN is not 4 to 8 digits.", hint="Type it as the telephone takes it.")
        if self.username is not None and not is_readable(self.username):
            raise BadValue("The user name is empty or has control characters.", hint="Leave it out if empty.")
        if self.password is not None and not is_readable(self.password):
            raise BadValue("The password is empty or has control characters.", hint="Leave it out if empty.")

    @property
    def connection_id(self) -> str:
        """`id`."""
        return self.id

    @property
    def uuid(self) -> str:
        """The same for the same id, whatever else changes."""
        return uuid_of("cellular", self.id)

    def sections(self) -> Sections:
        """The keyfile's sections, for NetworkManager 1.0 and later."""
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
