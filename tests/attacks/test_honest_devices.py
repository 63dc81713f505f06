"""What an honest user does on an honest network: nothing is asked, nothing is refused."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from support.recording_engine import RecordingEngine
from support.recording_ssh import RecordingSsh
from support.strange_network import NAME, StrangeNetwork, User

pytestmark = pytest.mark.root

QUESTIONS = ("[y/N]", "[Y/n]", "? ")


def project(user: User) -> Path:
    """A project as it comes from `git clone` of the user's own: it stays within its folder."""
    folder = user.home / "code" / "garden"
    (folder / "src").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (folder / "src" / "main").write_text("hello\n")
    (folder / "latest").symlink_to("src/main")
    return folder


def test_the_first_hour_asks_nothing(network: StrangeNetwork, newcomer: User) -> None:
    garden = project(newcomer)
    with network.device_serves():
        for words in (
            ("scan",),
            ("wait", NAME),
            ("ps", NAME),
            ("push", NAME, "--detach"),
            ("push", "--detach"),
            ("ps",),
            ("logs", "-n", "1"),
            ("ssh", NAME, "--", "true"),
            ("env", NAME),
            ("stop",),
            ("restart",),
            ("rm", "--yes"),
        ):
            shown = newcomer.terminal(*words, cwd=garden)
            assert shown.end() == 0, (words, shown.plain)
            assert not any(question in shown.plain for question in QUESTIONS), (words, shown.plain)
        for words in (("push", NAME, "--detach"), ("push", "--detach"), ("ps",)):
            run = newcomer.resin(*words, "--no-input", cwd=garden)
            assert run.code == 0, (words, run)
    sent = next(each for each in network.engine.requests if each.path == "/build").files
    assert set(sent) == {"Dockerfile", "latest", "src", "src/main"}


def test_a_device_that_has_moved_is_found_again(network: StrangeNetwork, user: User) -> None:
    """Another lease: the same engine and host key, at the address of another machine."""
    with network.stranger.serving(announces=[NAME], engine=network.engine, ssh=network.ssh):
        for words in (("ps", NAME), ("ssh", NAME, "--", "true"), ("env", NAME)):
            run = user.resin(*words)
            assert run.code == 0, run
            assert "forget" not in run.err


@pytest.mark.parametrize("delay", [0.15, 0.6])
def test_a_device_that_is_slow_to_answer_is_found(network: StrangeNetwork, user: User, delay: float) -> None:
    with network.device_serves(delay=delay):
        assert user.resin("ps", NAME, "--json").data["containers"]


def test_a_device_that_was_flashed_again_is_known_after_one_step(network: StrangeNetwork, user: User) -> None:
    """It has another engine and another host key at the same address."""
    engine = RecordingEngine("KTCH:FLASHED")
    with network.device.serving(announces=[NAME], engine=engine, ssh=RecordingSsh(engine)):
        refused = user.resin("ssh", NAME, "--json", "--", "true")
        assert refused.error["code"] == "host-key-changed", refused
        [step] = [word for word in refused.error["hint"].split("`") if word.startswith("resin ")]
        assert user.resin(*step.split()[1:], "--no-input").code == 0
        for words in (("ps", NAME), ("ssh", NAME, "--", "true"), ("wait", NAME)):
            run = user.resin(*words, "--no-input")
            assert run.code == 0, run


def test_two_honest_devices_of_one_name(network: StrangeNetwork, user: User, newcomer: User) -> None:
    """Whoever knows one of them gets that one; whoever knows none is asked which."""
    other = RecordingEngine("KTCH:TWO")
    with ExitStack() as stack:
        stack.enter_context(network.device_serves())
        stack.enter_context(network.stranger.serving(announces=[NAME], engine=other, ssh=RecordingSsh(other)))
        run = newcomer.resin("ps", NAME, "--json")
        assert (run.code, run.error["code"]) == (2, "device-ambiguous"), run
        for host in (network.device, network.stranger):
            assert host.address in run.error["message"]
            assert newcomer.resin("ps", host.address).code == 0
        assert user.resin("ps", NAME).code == 0
        asked = user.resin("ssh", NAME, "--json", "--", "true")
        assert asked.code == 0, asked
    assert [each for each in network.ssh.commands if each == "true"]
