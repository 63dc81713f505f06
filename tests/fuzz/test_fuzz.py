"""The corpora of the fuzzers and what they once found; with `tests/run --all` a run of each too."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzz.targets import TARGETS, run

FOLDER = Path(__file__).parent
INPUTS = sorted(path for kind in ("corpus", "found") for path in (FOLDER / kind).glob("*/*"))
RUNS = 2000


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: "/".join(path.parts[-3:]))
def test_an_input_is_read_or_refused(path: Path) -> None:
    run(path.parent.name, path.read_bytes())


def test_each_target_has_a_corpus() -> None:
    assert sorted(TARGETS) == sorted(path.name for path in (FOLDER / "corpus").iterdir())


# atheris has wheels for Linux on x86-64 only.
if find_spec("atheris"):

    @pytest.mark.soak
    @pytest.mark.parametrize("name", TARGETS)
    def test_random_inputs_are_read_or_refused(name: str, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "fuzz", name, "--runs", str(RUNS), "--failures", str(tmp_path)]
        ended = subprocess.run(
            command, cwd=FOLDER.parent, capture_output=True, text=True, check=False, timeout=300
        )
        assert ended.returncode == 0, ended.stdout
