"""`resin emulate` with a complete system: boot, wait, ssh, push, logs, shut down."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from device.desk import desk
from support.emulated import emulated

from virtual_device.image import image
from virtual_device.mission import run_resin, write_project

# Includes building the image if it is not cached.
pytestmark = pytest.mark.timeout(1200)


def test_an_emulated_image_is_pushed_to_and_left_unchanged(tmp_path: Path) -> None:
    made = image()
    before = _digest(made)
    with desk() as table:

        def resin(*words: str, cwd: Path | None = None) -> str:
            done = run_resin(table, *words, cwd=cwd)
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
