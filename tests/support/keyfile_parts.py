"""The system's own readers of keyfiles, a keyfile of given parts, and a secret that must not show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.keyfile_readers import SystemReaders

SECRET = "Marked-S3cret"


@pytest.fixture(name="readers", scope="module")
def system_readers() -> Iterator[SystemReaders]:
    with SystemReaders() as process:
        yield process


def ready_file(*, connection: str = "", wifi: str = "", security: str = "", more: str = "") -> bytes:
    """A keyfile as a user brings it along."""
    text = f"[connection]\nid=x\ntype=wifi\n{connection}\n[wifi]\nssid=x\n{wifi}\n"
    if security:
        text += f"[wifi-security]\n{security}\n"
    return (text + more).encode()
