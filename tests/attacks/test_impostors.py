"""Somebody on the link who answers to the name of a device that the user knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.hosts_on_link import SSH_PORT
from support.resin_command import Run
from support.strange_network import KNOWN_ID, NAME, StrangeNetwork, User

pytestmark = pytest.mark.root

COMMANDS = {
    "ps": ("ps", NAME),
    "logs": ("logs", NAME, "-n", "1"),
    "env": ("env", NAME),
    "ssh": ("ssh", NAME, "--", "cat /etc/secret"),
    "wait": ("wait", NAME, "--timeout", "5"),
    "stop": ("stop", NAME, "--name", "garden"),
    "restart": ("restart", NAME, "--name", "garden"),
    "rm": ("rm", NAME, "--name", "garden", "--yes"),
    "reboot": ("reboot", NAME, "--yes"),
    "reset": ("reset", NAME, "--yes"),
    "push": ("push", NAME, "--detach"),
}
REFUSALS = ("host-key-changed", "host-key-unverified")
REMEMBERED = ("devices.json", "host-keys.json")


def resin(user: User, command: str, project: Path) -> Run:
    """Run a command on the device, with `--json`; `ssh` prints JSON only for failures of its own."""
    first, *others = COMMANDS[command]
    return user.resin(first, "--json", *others, cwd=project)


def remembered(user: User) -> dict[str, bytes]:
    return {name: (user.state / name).read_bytes() for name in REMEMBERED}


@pytest.fixture
def project(user: User) -> Path:
    folder = user.home / "garden"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (folder / "secret").write_text("the plan of the garden\n")
    return folder


@contextmanager
def impostor(network: StrangeNetwork, what: str) -> Iterator[None]:
    """Only the stranger answers to the name, or he answers first."""
    network.strange_engine.id = KNOWN_ID if "copied" in what else "STRANGE"
    with ExitStack() as stack:
        if "earlier" in what:
            stack.enter_context(network.device_serves(delay=1.0 if "much" in what else 0.15))
        stack.enter_context(
            network.stranger_serves(
                engine="engine" in what,
                ssh="SSH" in what,
                announces={NAME: (network.stranger.address, network.device.address)}
                if "both addresses" in what
                else (NAME,),
            )
        )
        yield


ALONE = (
    "engine",
    "engine with a copied ID",
    "engine with a copied ID, and SSH",
    "SSH",
)


@pytest.mark.parametrize("what", ALONE)
def test_a_stranger_who_has_the_name_of_a_device_is_refused(
    network: StrangeNetwork, user: User, project: Path, what: str
) -> None:
    before = remembered(user)
    # They wait for the device to answer: side by side, that takes no longer.
    with impostor(network, what), ThreadPoolExecutor(4) as side_by_side:
        runs = side_by_side.map(lambda command: (command, resin(user, command, project)), COMMANDS)
        for command, run in runs:
            assert_refused(network, command, what, run)
    network.assert_nothing_reached_the_stranger()
    assert remembered(user) == before


def assert_refused(network: StrangeNetwork, command: str, what: str, run: Run) -> None:
    assert NAME in run.error["message"], run
    assert network.stranger.address in run.error["message"], run
    if "SSH" in what:
        assert (run.code, run.error["code"]) == (255 if command == "ssh" else 4, "host-key-changed"), run
        assert f"resin ssh {NAME} --forget-key" in run.error["hint"], run
    elif command in ("ssh", "reboot", "reset"):
        assert run.error["code"] == "unreachable", run
    else:
        assert (run.code, run.error["code"]) == (4, "host-key-unverified"), run
        assert run.error["hint"], run


@pytest.mark.parametrize(
    "what",
    [
        "engine with a copied ID, and SSH, earlier",
        "engine, earlier",
        "SSH, earlier",
        "engine with a copied ID, and SSH, much earlier",
    ],
)
def test_a_stranger_who_answers_earlier_is_not_taken(
    network: StrangeNetwork, user: User, project: Path, what: str
) -> None:
    """Whoever knows the device gets it, or is told that two have its name; never the other one."""
    with impostor(network, what):
        for command in ("ps", "ssh", "push", "env"):
            run = resin(user, command, project)
            network.assert_nothing_reached_the_stranger()
            assert network.stranger.address not in run.out or run.code != 0, run
            assert run.code == 0 or run.error["code"] in (*REFUSALS, "device-ambiguous"), run
            if "much" not in what:
                assert run.code == 0, run
    assert {"cat /etc/secret"} & {*network.ssh.commands} or "much" in what


def test_an_answer_that_lists_a_stranger_first(network: StrangeNetwork, user: User, project: Path) -> None:
    """One responder says both addresses: the device's own, behind the stranger's."""
    with network.device_serves(), impostor(network, "engine with a copied ID, and SSH, both addresses"):
        for command in ("ps", "ssh", "push"):
            resin(user, command, project)
            network.assert_nothing_reached_the_stranger()


@pytest.mark.parametrize("what", ALONE)
def test_a_scan_changes_nothing_that_is_remembered(network: StrangeNetwork, user: User, what: str) -> None:
    before = remembered(user)
    with impostor(network, what):
        run = user.resin("scan", "--timeout", "2")
    assert remembered(user) == before
    assert network.stranger.address in run.out
    assert (network.strange_ssh.logins, network.strange_ssh.passwords) == ([], [])
    with impostor(network, what):
        refused = user.resin("ps", NAME, "--json")
    assert refused.error["code"] in REFUSALS, refused


def test_a_scan_pins_nothing(network: StrangeNetwork, newcomer: User) -> None:
    with network.stranger_serves():
        assert newcomer.resin("scan", "--timeout", "2").code == 0
    keys = newcomer.state / "host-keys.json"
    assert not keys.exists() or keys.read_text().strip() == "{}"
    with network.device_serves():
        run = newcomer.resin("ssh", NAME, "--json", "--", "true")
        assert run.code == 0, run


def test_two_answers_with_one_engine_id_are_two_devices(network: StrangeNetwork, newcomer: User) -> None:
    """Each has a host key of its own; an engine ID can be copied."""
    network.strange_engine.id = KNOWN_ID
    with network.device_serves(), network.stranger_serves():
        run = newcomer.resin("ps", NAME, "--json")
        assert (run.code, run.error["code"]) == (2, "device-ambiguous"), run
        scanned = newcomer.resin("scan", "--timeout", "3")
    for host in (network.device, network.stranger):
        assert host.address in run.error["message"]
        assert host.address in scanned.out, scanned


def test_a_stranger_at_the_address_of_a_device(network: StrangeNetwork, user: User, project: Path) -> None:
    """Its address was leased to somebody else, or taken; the user types it as before."""
    network.strange_engine.id = KNOWN_ID
    place = network.device.address
    with network.device_serves():
        for words in (("ssh", place, "--", "true"), ("ps", place)):
            assert user.resin(*words).code == 0
    age_proofs(user)
    with network.device.serving(engine=network.strange_engine, ssh=network.strange_ssh, announces=[NAME]):
        for words in (
            ("ps", place),
            ("push", place, "--detach"),
            ("ssh", place, "--", "cat /etc/secret"),
            ("reboot", place, "--yes"),
            ("ps", NAME),
        ):
            run = user.resin(*words, "--json", cwd=project)
            assert run.code != 0, run
            network.assert_nothing_reached_the_stranger()


def age_proofs(user: User) -> None:
    """As if the host key had been proven a day ago: for some minutes it is not asked for again."""
    path = user.state / "devices.json"
    state = json.loads(path.read_text())
    for entry in state.values():
        for proof in entry["proofs"].values():
            proof["at"] -= 86400
    path.write_text(json.dumps(state))


@pytest.mark.parametrize("is_recent", [False, True])
def test_a_proof_that_a_stranger_relays(
    network: StrangeNetwork, user: User, project: Path, is_recent: bool
) -> None:
    """He forwards SSH to the device, whose key is proven through him, and has an engine of his own."""
    if not is_recent:
        age_proofs(user)
    network.strange_engine.id = KNOWN_ID
    with (
        network.device.serving(ssh=network.ssh),
        network.stranger.serving(announces=[NAME], engine=network.strange_engine),
        network.stranger.listening(SSH_PORT, network.stranger.forwarder(network.device.address, SSH_PORT)),
    ):
        for command in ("ps", "push", "env", "rm"):
            resin(user, command, project)
            network.assert_nothing_reached_the_stranger()
    assert network.ssh.connections


def test_a_password_is_not_asked_for_by_a_stranger(network: StrangeNetwork, user: User) -> None:
    network.strange_ssh.needs_password = True
    with impostor(network, "SSH"):
        for words in (("ssh", NAME), ("ps", f"ssh://{NAME}"), ("reset", NAME, "--yes")):
            terminal = user.terminal(*words)
            assert terminal.end() != 0
            assert "assword" not in terminal.plain
    network.assert_nothing_reached_the_stranger()


def test_the_host_key_of_the_command_line_is_required(
    network: StrangeNetwork, newcomer: User, project: Path
) -> None:
    """As a CI job has it, which remembers nothing: whoever shows another key gets nothing."""
    key = network.ssh.fingerprint

    def with_option(command: str) -> Run:
        first, *others = COMMANDS[command]
        return newcomer.resin(first, "--host-key", key, *others, cwd=project)

    def with_variable(command: str) -> Run:
        return newcomer.resin(*COMMANDS[command], cwd=project, env={"RESIN_HOST_KEY": key})

    with network.stranger_serves(announces=[NAME]), ThreadPoolExecutor(4) as side_by_side:
        runs = [
            *side_by_side.map(with_option, ("ps", "push", "ssh", "reboot")),
            *side_by_side.map(with_variable, ("logs", "push", "env", "reset")),
        ]
    for run in runs:
        assert run.code in (4, 255), run
        assert NAME in run.err, run
    network.assert_nothing_reached_the_stranger()
    with network.device_serves():
        for command in ("ps", "push", "ssh"):
            assert with_option(command).code == 0
        bad = newcomer.resin("ps", NAME, "--host-key", "SHA256:nonsense", "--json")
        assert bad.code == 2, bad
