"""Where a push goes, when it is not the user who says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.registry_logins import SHOP, configure, entry
from support.resin_command import Run
from support.strange_network import NAME, StrangeNetwork, User

pytestmark = pytest.mark.root

DOCKERFILE = f"FROM {SHOP}/base\nCOPY . /\n"


def project(user: User, name: str = "clone", **files: str) -> Path:
    folder = user.home / "code" / name
    for path, text in {"Dockerfile": DOCKERFILE, "plan": "the plan", **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (user.home / ".docker").mkdir(exist_ok=True)
    configure(user.home, auths={SHOP: entry("me")})
    return folder


def assert_refused(network: StrangeNetwork, run: Run) -> None:
    network.assert_nothing_reached_the_stranger()
    assert run.code in (2, 4), run
    assert run.error["hint"], run


def test_a_device_that_a_project_names_is_asked_for(network: StrangeNetwork, newcomer: User) -> None:
    clone = project(newcomer, **{"resin.toml": f'device = "{network.stranger.address}"\n'})
    with network.stranger_serves():
        for words in (
            ("push", "--detach"),
            ("push",),
            ("push", "--dry-run"),
            ("push", "--detach", "--no-input"),
        ):
            run = newcomer.resin(*words, "--json", cwd=clone)
            assert_refused(network, run)
            assert run.code == 4, run
            assert "--trust" in run.error["hint"], run
            assert network.stranger.address in run.error["message"], run
        terminal = newcomer.terminal("push", "--detach", cwd=clone)
        asked = terminal.until("[y/N]")
        assert network.stranger.address in asked
        network.assert_nothing_reached_the_stranger()
        terminal.type("n\n")
        assert terminal.end() == 4
        network.assert_nothing_reached_the_stranger()
        terminal = newcomer.terminal("push", "--detach", cwd=clone)
        terminal.until("[y/N]")
        terminal.type("y\n")
        assert terminal.end() == 0, terminal.plain
        assert "/build" in network.strange_engine.changes[0]
        assert newcomer.resin("push", "--detach", cwd=clone).code == 0


def test_an_agreement_is_for_one_project_and_one_device(network: StrangeNetwork, newcomer: User) -> None:
    clone = project(newcomer, **{"resin.toml": f'device = "{network.device.address}"\n'})
    other = project(newcomer, "other", **{"resin.toml": f'device = "{network.device.address}"\n'})
    with network.device_serves(), network.stranger_serves():
        assert newcomer.resin("push", "--detach", "--trust", cwd=clone).code == 0
        assert newcomer.resin("push", "--detach", cwd=clone).code == 0
        assert newcomer.resin("push", "--detach", "--json", cwd=other).code == 4
        (clone / "resin.toml").write_text(f'device = "{network.stranger.address}"\n')
        assert newcomer.resin("push", "--detach", "--json", cwd=clone).code == 4
    network.assert_nothing_reached_the_stranger()


def test_a_device_that_was_typed_is_not_asked_for(network: StrangeNetwork, newcomer: User) -> None:
    clone = project(newcomer, **{"resin.toml": f'device = "{network.stranger.address}"\n'})
    with network.device_serves(), network.stranger_serves():
        assert newcomer.resin("push", network.device.address, "--detach", cwd=clone).code == 0
        env = {"RESIN_DEVICE": network.device.address}
        assert newcomer.resin("push", "--detach", cwd=clone, env=env).code == 0
    network.assert_nothing_reached_the_stranger()
    assert [*network.engine.logins]


@pytest.mark.parametrize("where", ["parent", "project", "state", "links"])
def test_the_state_of_a_project_does_not_come_with_it(
    network: StrangeNetwork, newcomer: User, where: str
) -> None:
    """A repository that carries what looks like the state of earlier pushes."""
    clone = project(newcomer)
    folder = clone.parent if where == "parent" else clone
    names = (".resin", "resin", ".local/state/resin", "state/resin") if where == "state" else (".resin",)
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "device").write_text(f"{network.stranger.address}\n")
        (folder / name / "app").write_text("clone\n")
    with network.stranger_serves(announces=["attic"]), network.device_serves():
        if where == "links":
            shutil.rmtree(folder / ".resin")
            (folder / "x").mkdir()
            (folder / "x" / "device").write_text(f"{network.stranger.address}\n")
            (folder / ".resin").symlink_to("x")
        for words in (("push", "--detach"), ("ps",), ("stop",), ("rm", "--yes"), ("logs",)):
            assert_refused(network, newcomer.resin(*words, "--json", cwd=clone))
        assert network.strange_engine.files == {}
        assert newcomer.resin("push", network.device.address, "--detach", cwd=clone).code == 0
    assert not [name for name in network.engine.files if name.startswith(".resin")]


def test_nothing_is_written_through_a_link(network: StrangeNetwork, newcomer: User) -> None:
    clone = project(newcomer)
    precious = newcomer.home / "precious"
    precious.mkdir()
    for name in ("device", "app", ".gitignore", "built", "board", "rate"):
        (precious / name).write_text("precious\n")
    (clone / ".resin").symlink_to(precious)
    with network.device_serves():
        newcomer.resin("push", network.device.address, "--detach", cwd=clone)
    assert {path.read_text() for path in precious.iterdir()} == {"precious\n"}
    assert len(list(precious.iterdir())) == 6


def test_the_only_device_of_a_strange_network_is_asked_for(network: StrangeNetwork, newcomer: User) -> None:
    """By every command: none may act on a device that the user has not named."""
    clone = project(newcomer)
    with network.stranger_serves(announces=["attic"]):
        for words in (
            ("push", "--detach"),
            ("push", "--detach", "--no-input"),
            ("reset", "--yes"),
            ("reboot", "--yes"),
            ("rm", "--yes"),
            ("stop",),
            ("restart",),
            ("ssh", "--", "true"),
        ):
            first, *others = words
            run = newcomer.resin(first, "--json", *others, cwd=clone)
            assert run.code in (2, 4), run
            assert run.error["hint"], run
            network.assert_nothing_reached_the_stranger()
        terminal = newcomer.terminal("push", "--detach", cwd=clone)
        shown = terminal.until("[y/N]")
        assert "attic" in shown
        assert network.stranger.address in shown
        network.assert_nothing_reached_the_stranger()
        terminal.type("n\n")
        assert terminal.end() == 4
        network.assert_nothing_reached_the_stranger()


def test_the_only_device_is_not_asked_for_if_it_is_known(network: StrangeNetwork, user: User) -> None:
    clone = project(user)
    with network.device_serves():
        assert user.resin("push", NAME, "--detach", "--no-input", cwd=clone).code == 0
        second = project(user, "second")
        run = user.resin("push", "--detach", "--no-input", cwd=second)
        assert run.code == 0, run


def test_a_computer_that_is_not_a_board_is_asked_for(network: StrangeNetwork, newcomer: User) -> None:
    clone = project(newcomer)
    network.strange_engine.os = "Ubuntu 22.04.4 LTS"
    with network.stranger_serves(announces=()):
        place = network.stranger.address
        for words in (("push", place, "--detach"), ("push", place, "--detach", "--no-input")):
            run = newcomer.resin(*words, "--json", cwd=clone)
            assert_refused(network, run)
            assert run.code == 4, run
            assert "Ubuntu 22.04.4 LTS" in run.error["message"], run
            assert "--yes" in run.error["hint"], run
        terminal = newcomer.terminal("push", place, "--detach", cwd=clone)
        assert "Ubuntu" in terminal.until("[y/N]")
        terminal.type("n\n")
        assert terminal.end() == 4
        network.assert_nothing_reached_the_stranger()
        assert newcomer.resin("push", place, "--detach", "--yes", cwd=clone).code == 0
    assert network.strange_engine.changes
