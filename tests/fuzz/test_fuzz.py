"""Every reader of untrusted input: its corpus, what a fuzzer once found, and random inputs with a fixed seed.

`tests/run --all` also runs each fuzzer, which is guided by coverage; `tests/fuzz/run` does so for hours.
"""

from __future__ import annotations

import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzz.mutation import corpus, dictionary, mutated
from fuzz.targets import TARGETS, run

FOLDER = Path(__file__).parent
INPUTS = sorted(path for kind in ("corpus", "found") for path in (FOLDER / kind).glob("*/*"))
RUNS = 2000
"""Of a fuzzer that is guided by coverage."""
USUAL = 2000
SLOWER = {
    "boot_files": 60,
    "compose": 200,
    "configure": 30,
    "engine_json": 600,
    "ext4": 300,
    "fat_changes": 300,
    "gpt": 100,
    "ignore": 1000,
    "image_documents": 500,
    "keyfile": 500,
    "logins": 200,
    "project": 500,
    "sparse": 300,
    "ssh_commands": 200,
    "ssh_config": 250,
    "ssh_handshake": 100,
    "ssh_login": 300,
    "state_files": 100,
    "zip_entries": 500,
}
"""How many random inputs a target gets: all of them together take less than a minute of processor time."""


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: "/".join(path.parts[-3:]))
def test_an_input_is_read_or_refused(path: Path) -> None:
    # The first input of a target loads its modules.
    run(path.parent.name, b"", 60)
    run(path.parent.name, path.read_bytes())


def test_each_target_has_a_corpus() -> None:
    assert sorted(TARGETS) == sorted(path.name for path in (FOLDER / "corpus").iterdir())
    assert {path.name for path in (FOLDER / "found").iterdir()} <= set(TARGETS)
    assert {path.stem for path in (FOLDER / "dictionaries").iterdir()} <= set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_random_inputs_with_a_fixed_seed_are_read_or_refused(name: str, tmp_path: Path) -> None:
    inputs, words, source = corpus(name), dictionary(name), random.Random(name)
    run(name, b"", 60)
    for number in range(SLOWER.get(name, USUAL)):
        data = mutated(source, inputs, words)
        try:
            run(name, data)
        except BaseException as error:
            failure = tmp_path / f"{name}-{number}"
            failure.write_bytes(data)
            error.add_note(f"the input is {failure}")
            raise


# atheris has wheels for Linux on x86-64 only.
if find_spec("atheris"):

    @pytest.mark.soak
    @pytest.mark.parametrize("name", TARGETS)
    def test_a_fuzzer_finds_nothing(name: str, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "fuzz", name, "--runs", str(RUNS), "--failures", str(tmp_path)]
        command += ["--grown", str(tmp_path / "grown")]
        ended = subprocess.run(
            command, cwd=FOLDER.parent, capture_output=True, text=True, check=False, timeout=300
        )
        assert ended.returncode == 0, ended.stdout
