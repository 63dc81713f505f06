"""The scripts that the shells load: what they run, where they lie, and how they are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from support.resin_command import PROGRAM, program
from support.shells import SHELLS, shell, user

SCRIPTS = {
    "bash": ("resin.bash", "share/bash-completion/completions/resin"),
    "zsh": ("_resin", "share/zsh/site-functions/_resin"),
    "fish": ("resin.fish", "share/fish/vendor_completions.d/resin.fish"),
}
INSTALLED = {
    "bash": ".local/share/bash-completion/completions/resin",
    "zsh": ".local/share/zsh/site-functions/_resin",
    "fish": ".config/fish/completions/resin.fish",
}

# the scripts


@pytest.mark.parametrize("name", SHELLS)
def test_nothing_is_run_before_a_tab(name: str, tmp_path: Path) -> None:
    trap = tmp_path / "resin"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    trap.chmod(0o755)
    with shell(name, tmp_path, tmp_path, PATH=f"{tmp_path}:{PROGRAM.parent}:{os.environ['PATH']}") as started:
        assert not (tmp_path / "ran").exists()
        started.offers("resin p")
        assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", SHELLS)
def test_another_program_of_that_name_gets_no_arguments(name: str, tmp_path: Path) -> None:
    other = tmp_path / "other" / "resin"
    other.parent.mkdir()
    other.write_text(f'#!/bin/sh\necho "$#" >>{tmp_path}/count\necho oops >&2\nexit 3\n')
    other.chmod(0o755)
    with shell(name, tmp_path, tmp_path) as started:
        # bash-completion first has to have loaded the script, for bash to take it for a path.
        assert started.offers("resin fl") == ["flash"]
        assert started.offers(f"{other} rm kitchen ") == []
        assert "oops" not in started.screen
    assert set((tmp_path / "count").read_text().split()) == {"0"}


@pytest.mark.parametrize("name", SHELLS)
def test_a_wheel_installs_the_scripts_where_the_shells_look(name: str) -> None:
    file, shared = SCRIPTS[name]
    placed = Path(sys.prefix) / shared
    listed = [
        entry for entry in distribution("resin-toolkit").files or [] if entry.as_posix().endswith(shared)
    ]
    assert [Path(str(entry.locate())).resolve() for entry in listed] == [placed.resolve()]
    assert placed.read_text() == (Path(__file__).parents[3] / "completions" / file).read_text()


@pytest.mark.parametrize("name", SHELLS)
def test_installing_and_showing(name: str, tmp_path: Path) -> None:
    script = (Path(sys.prefix) / SCRIPTS[name][1]).read_text()
    mine = user(tmp_path, SHELL=f"/usr/bin/{name}")
    assert program("--show-completion", env=mine).out.rstrip() == script.rstrip()
    assert program(env={**mine, "_RESIN_COMPLETE": f"source_{name}"}).out == script
    run = program("--install-completion", "--json", env=mine)
    assert run.data == {"shell": name, "files": [str(tmp_path / INSTALLED[name])]}
    assert (tmp_path / INSTALLED[name]).read_text() == script
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / INSTALLED[name]]


@pytest.mark.parametrize(("name", "old"), [("bash", ".bash_completions/resin.sh"), ("zsh", ".zfunc/_resin")])
def test_the_script_of_an_earlier_version_is_replaced(name: str, old: str, tmp_path: Path) -> None:
    before = tmp_path / old
    before.parent.mkdir()
    before.write_text("old\n")
    assert program("--install-completion", env=user(tmp_path, SHELL=name)).code == 0
    assert before.read_text() == (tmp_path / INSTALLED[name]).read_text()


def test_a_shell_without_a_script(tmp_path: Path) -> None:
    run = program("--install-completion", "--json", env=user(tmp_path, SHELL="/bin/tcsh"))
    assert (run.code, run.error["code"]) == (2, "bad-value")
    assert "tcsh" in run.error["message"]


def test_the_shell_is_the_one_that_resin_is_started_from(tmp_path: Path) -> None:
    """Whatever $SHELL says, which names the one of the login."""
    for name in SHELLS:
        path = shutil.which(name)
        assert path is not None
        done = subprocess.run(
            [path, "-c", f"{PROGRAM} --install-completion --json; true"],
            env=user(tmp_path, SHELL="/bin/tcsh"), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout)["data"]["shell"] == name
