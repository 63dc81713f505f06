"""How the tests are shared out among workers."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.scheduling import INDEPENDENT, TESTS, is_privileged


@pytest.mark.parametrize("file", INDEPENDENT)
def test_a_file_that_is_spread_over_workers_exists(file: str) -> None:
    assert (TESTS.parent / file).is_file()


@pytest.mark.parametrize(
    ("file", "privileged"),
    [
        ("commands/test_push_command.py", True),
        ("virtual_device/test_mission.py", True),
        ("image_tools/test_flash_stopped.py", True),
        ("image_tools/test_proxy.py", False),
        ("image_tools/test_fat_names.py", False),
    ],
)
def test_what_needs_root_or_an_engine_is_found_by_what_it_imports(file: str, privileged: bool) -> None:
    assert is_privileged(TESTS / file) is privileged


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM])
def test_a_program_that_a_test_starts_ignores_no_signal(number: signal.Signals, tmp_path: Path) -> None:
    script = "import signal, sys; print(signal.getsignal(int(sys.argv[1])) is signal.SIG_IGN)"
    command = [sys.executable, "-c", script, str(int(number))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
