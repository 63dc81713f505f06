"""The line by which the same command runs as root."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from commands.common.sudo import sudo_line


def test_it_keeps_the_program_and_quotes_what_needs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "a b" / "resin"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    words = shlex.split(sudo_line(["flash", "my image.img", "/dev/sdb", "--hostname", "it's"]))
    assert words[0] == "sudo"
    assert words[-6:] == [str(program), "flash", "my image.img", "/dev/sdb", "--hostname", "it's"]


def test_as_a_module_it_keeps_the_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/resin_toolkit/__main__.py"])
    assert [sys.executable, "-m", "resin_toolkit", "drives"] == shlex.split(sudo_line(["drives"]))[-4:]


def test_variables_are_passed_on_by_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESIN_WIFI_PASSPHRASE", "never-to-be-seen-42")
    monkeypatch.setenv("NO_COLOR", "1")
    line = sudo_line(["flash", "image.img", "/dev/sdb"])
    assert "--preserve-env=" in line
    assert "RESIN_WIFI_PASSPHRASE" in line
    assert "NO_COLOR" in line
    assert "never-to-be-seen-42" not in line


def test_a_password_in_a_url_is_hidden() -> None:
    line = sudo_line(["flash", "image.img", "--proxy", "http://me:never-to-be-seen-42@proxy:3128"])
    assert "never-to-be-seen-42" not in line
    assert "http://me:***@proxy:3128" in line
