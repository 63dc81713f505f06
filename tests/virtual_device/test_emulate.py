"""`resin emulate` with a whole system: booted, waited for, looked into, pushed to, followed, switched off."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from device.desk import desk
from support.emulated import emulated

from virtual_device.image import image
from virtual_device.mission import write_project

# The packages of the image are unpacked within it where that was not done yet.
pytestmark = pytest.mark.timeout(1200)


def test_an_image_is_booted_and_pushed_to_and_stays_as_it_was(tmp_path: Path) -> None:
    made = image()
    before = _digest(made)
    with desk() as table:

        def resin(*words: str, cwd: Path | None = None) -> str:
            done = table.resin(*words, cwd=cwd)
            assert done.code == 0, done
            return done.out

        quick = ("--append", "quiet mitigations=off")
        with emulated(made, "--snapshot", *quick, env=table.environment, prefix=table.prefix) as guest:
            assert guest.started["ssh_port"] == 22222
            ready = guest.until("ready", service="engine")
            assert ready["port"] == 2377
            resin("wait", "localhost")
            assert "resin-os" in resin("ssh", "localhost", "--", "cat /etc/os-release")
            resin("push", "localhost", "--detach", cwd=write_project(tmp_path / "garden"))
            assert "note: first" in resin("logs", "localhost", cwd=tmp_path)
            guest.interrupt()
            done = guest.end()
    assert (done.code, done.error["message"]) == (130, "The machine was shut down.")
    assert _digest(made) == before


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
