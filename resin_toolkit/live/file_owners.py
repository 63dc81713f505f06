"""The numbers of users and groups in a container, from its own /etc/passwd and /etc/group.

Source: passwd(5) and group(5). As with COPY --chown, a name that the container does not have is an error.
"""

from __future__ import annotations

import io
import tarfile

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.error_responses import unexpected_answer
from resin_toolkit.untrusted_json import whole_number

_MOST_BYTES = 8 * 1024 * 1024
"""Of an archive with one of these files, which are far smaller."""


class UnknownOwner(Exception):
    """The container has no user or group of that name."""


class FileOwners:
    """The users and groups of one container, read when needed; `known` keeps what was read, by path."""

    def __init__(self, engine: Engine, container: str, known: dict[str, dict[str, list[str]]]) -> None:
        self._engine = engine
        self._container = container
        self._files = known

    def numbers(self, owner: str) -> tuple[int, int]:
        """User and group of `user[:group]`, names or numbers; root if it is empty. Raises UnknownOwner.

        Without a group, the group with the user's name or number is taken, as in the classic builder.
        """
        if not owner:
            return 0, 0
        user, colon, group = owner.partition(":")
        return self._number("/etc/passwd", user), self._number("/etc/group", group if colon else user)

    def _number(self, path: str, name: str) -> int:
        number = whole_number(name)
        if number is None:
            fields = self._read(path).get(name, [])
            number = whole_number(fields[2]) if len(fields) > 2 else None
        if number is None:
            raise UnknownOwner(name)
        return number

    def _read(self, path: str) -> dict[str, list[str]]:
        if path not in self._files:
            lines = [line.split(":") for line in self._text(path).splitlines()]
            self._files[path] = {fields[0]: fields for fields in lines}
        return self._files[path]

    def _text(self, path: str) -> str:
        stream = Containers(self._engine).get_archive(self._container, path)
        if stream is None:
            return ""
        with stream:
            data = bytearray()
            while (chunk := stream.read()) and len(data) < _MOST_BYTES:
                data += chunk
        try:
            with tarfile.open(fileobj=io.BytesIO(bytes(data)), mode="r:") as opened:
                member = next(iter(opened), None)
                file = opened.extractfile(member) if member is not None and member.isfile() else None
                return file.read().decode(errors="replace") if file else ""
        except (tarfile.TarError, ValueError) as error:
            raise unexpected_answer(self._engine.host) from error
