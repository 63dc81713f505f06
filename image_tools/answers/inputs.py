"""Access to the files and secrets that answers name; each is read once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from image_tools.answers.model import SecretReference
from resin_toolkit.errors import Notice, Usage

PASSPHRASE_VARIABLE = "RESIN_WIFI_PASSPHRASE"
"""The environment variable that holds the Wi-Fi passphrase."""

Check = Callable[[str], None]
"""Raises BadValue for a text that is not valid."""


class Inputs:
    """The files and secrets that answers name; each file is read once, so that it can be a pipe.

    A subclass may prompt for what is missing; this class raises Usage.
    """

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        """Warnings about the answers, found while they are converted."""
        self._files: dict[Path, bytes] = {}
        self._secrets: dict[SecretReference, str] = {}

    def read(self, path: Path) -> bytes:
        """Return the content of a file. Raises OSError."""
        if path not in self._files:
            self._files[path] = path.read_bytes()
        return self._files[path]

    def secret(self, reference: SecretReference, question: str, check: Check | None = None) -> str:
        """Return the secret that `reference` names.

        `question` names the secret for a prompt. Raises BadValue, OSError and what `check` raises.
        """
        if reference not in self._secrets:
            self._secrets[reference] = self.read_secret(reference, question, check)
        if check is not None:
            check(self._secrets[reference])
        return self._secrets[reference]

    def read_secret(self, reference: SecretReference, question: str, check: Check | None) -> str:  # noqa: ARG002
        """Read a secret for the first time; a prompt repeats its question until `check` accepts."""
        return reference.read()

    def missing_secret(self, question: str, error: Usage, check: Check | None = None) -> str:  # noqa: ARG002
        """Supply a secret that the answers do not name, or raise `error`."""
        raise error

    def missing_ssid(self, error: Usage) -> bytes:
        """Supply the SSID that the answers do not have, or raise `error`."""
        raise error

    def missing_text(self, question: str, error: Usage) -> str:  # noqa: ARG002
        """Supply a text that the answers do not have, or raise `error`."""
        raise error
