"""Another user of the same workstation, who cannot read the user's files but writes where all may."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.strange_network import StrangeNetwork, User

pytestmark = pytest.mark.root

SIBLING = 64_321
"""The numeric ID of the other user; nobody has to have a name for it."""


def as_sibling(*words: str) -> None:
    """Run a command as the other user."""
    ids = (f"--reuid={SIBLING}", f"--regid={SIBLING}", "--clear-groups")
    subprocess.run(["setpriv", *ids, "--", *words], check=True, capture_output=True, timeout=30)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder like /tmp, which everybody may write to."""
    with tempfile.TemporaryDirectory(prefix="resin-shared-", dir="/tmp") as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


def project(folder: Path) -> Path:
    made = folder / "work" / "project"
    made.mkdir(parents=True)
    (made / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    return made


def test_the_device_of_a_parent_that_belongs_to_somebody_else_is_not_taken(
    network: StrangeNetwork, newcomer: User, shared_folder: Path
) -> None:
    mine = project(shared_folder)
    script = f"mkdir {shared_folder}/.resin; echo {network.stranger.address} >{shared_folder}/.resin/device"
    as_sibling("sh", "-c", script)
    with network.stranger_serves(announces=["attic"]), network.device_serves():
        for words in (("push", "--detach"), ("ps",), ("stop",), ("rm", "--yes"), ("reset", "--yes")):
            run = newcomer.resin(*words, "--json", cwd=mine)
            assert run.code in (2, 4), run
    network.assert_nothing_reached_the_stranger()


def test_a_work_tree_of_somebody_else_is_not_the_root(
    network: StrangeNetwork, newcomer: User, shared_folder: Path
) -> None:
    """The other user makes a repository of the folder that the project lies in."""
    mine = project(shared_folder)
    (mine / "resin.toml").write_text('source = "../.."\ndockerfile = "work/project/Dockerfile"\n')
    (shared_folder / "secret").write_text("secret")
    as_sibling("git", "init", "-q", str(shared_folder))
    with network.device_serves():
        run = newcomer.resin("push", network.device.address, "--detach", "--json", cwd=mine)
    assert run.code == 4, run
    assert network.engine.changes == []


@pytest.mark.parametrize("what", ["resin.toml", "compose.yaml", "Dockerfile"])
def test_settings_in_a_parent_are_not_read(
    network: StrangeNetwork, newcomer: User, shared_folder: Path, what: str
) -> None:
    mine = project(shared_folder)
    as_sibling("sh", "-c", f"echo 'device = \"{network.stranger.address}\"' >{shared_folder}/{what}")
    with network.device_serves():
        run = newcomer.resin("push", network.device.address, "--detach", "--json", cwd=mine)
    assert run.code == 0, run
    assert set(network.engine.files) == {"Dockerfile"}


def test_the_state_is_not_readable_for_others(network: StrangeNetwork, newcomer: User) -> None:
    with network.device_serves():
        for words in (("ps", "kitchen"), ("ssh", "kitchen", "--", "true")):
            assert newcomer.resin(*words).code == 0
    for path in (newcomer.state, *newcomer.state.rglob("*")):
        assert not path.lstat().st_mode & 0o077, path


@pytest.mark.parametrize("name", ["devices.json", "host-keys.json"])
def test_the_state_is_neither_read_nor_written_through_a_link(
    network: StrangeNetwork, user: User, shared_folder: Path, name: str
) -> None:
    """Somebody who could exchange a file of the state for a link gets nothing written elsewhere."""
    target = shared_folder / "target"
    as_sibling("sh", "-c", f"echo '{{}}' >{target}; chmod 666 {target}")
    (user.state / name).unlink()
    (user.state / name).symlink_to(target)
    with network.device_serves():
        run = user.resin("ssh", "kitchen", "--json", "--", "true")
    assert target.read_text() == "{}\n"
    if name == "host-keys.json":
        assert run.error["code"] == "state-damaged", run
        assert not network.ssh.was_trusted


@pytest.mark.parametrize("variable", ["TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"])
def test_what_lies_ready_in_a_shared_folder_is_not_taken(
    network: StrangeNetwork, newcomer: User, shared_folder: Path, variable: str
) -> None:
    """Links under every name that a push makes there lead to a file of the user's."""
    precious = newcomer.home / "precious"
    precious.write_text("precious")
    mine = project(shared_folder)
    for name in ("resin", "resin-push", f"resin-{os.getuid()}", f"resin.{os.getuid()}"):
        as_sibling("ln", "-s", str(precious), f"{shared_folder}/{name}")
    before = set(shared_folder.iterdir())
    with network.device_serves():
        env = {variable: str(shared_folder)}
        run = newcomer.resin("push", network.device.address, "--detach", "--json", cwd=mine, env=env)
    assert run.code == 0, run
    assert precious.read_text() == "precious"
    assert set(shared_folder.iterdir()) == before
