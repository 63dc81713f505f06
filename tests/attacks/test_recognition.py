"""What makes a device the one that is known, and what the user can do where it cannot be told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from support.recording_engine import RecordingEngine
from support.recording_ssh import RecordingSsh
from support.strange_network import KNOWN_ID, NAME, StrangeNetwork, User

from resin_toolkit.ssh.key_proofs import VALID_FOR

pytestmark = pytest.mark.root

HOST = f"{NAME}.local"
ANYWAY = "Use its unencrypted engine anyway? [y/N]"


def state_of(user: User, name: str) -> dict[str, Any]:
    content = json.loads((user.state / name).read_text())
    assert isinstance(content, dict)
    return content


def all_state(user: User) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in user.state.iterdir() if path.suffix == ".json"}


@pytest.fixture
def late(user: User) -> User:
    """One who knows the device, but has not used it for a while."""
    devices = state_of(user, "devices.json")
    for proof in devices[HOST]["proofs"].values():
        proof["at"] -= VALID_FOR + 1
    (user.state / "devices.json").write_text(json.dumps(devices))
    return user


def test_plain_tcp_needs_one_proof_and_then_none_for_a_while(network: StrangeNetwork, late: User) -> None:
    with network.device_serves():
        assert late.resin("ps", NAME).code == 0
    with network.device_serves(ssh=False):
        assert late.resin("ps", NAME).code == 0


def test_a_device_whose_ssh_server_is_gone_is_asked_about_once(network: StrangeNetwork, late: User) -> None:
    with network.device_serves(ssh=False):
        refused = late.resin("ps", NAME, "--json")
        assert (refused.code, refused.error["code"]) == (4, "host-key-unverified"), refused
        assert f"tcp://{HOST}" in refused.error["hint"]
        assert network.engine.requests == []
        assert late.resin("ps", f"tcp://{NAME}").code == 0
        assert late.resin("ps", NAME, "--yes").code == 4

        asked = late.terminal("ps", NAME)
        asked.until(ANYWAY)
        asked.type("n\n")
        assert asked.end() == 4
        asked = late.terminal("ps", NAME)
        asked.until(ANYWAY)
        assert f"cannot be verified at {network.device.address}" in asked.plain
        asked.type("y\n")
        assert asked.end() == 0, asked.plain
        assert late.resin("ps", NAME, "--no-input").code == 0
    # What was agreed to for its address is not agreed to for another's.
    with network.stranger_serves(ssh=False):
        assert late.resin("ps", NAME, "--json").error["code"] == "host-key-unverified"
    network.assert_nothing_reached_the_stranger()


def test_another_key_stops_plain_tcp_that_was_asked_for(network: StrangeNetwork, user: User) -> None:
    network.strange_engine.id = KNOWN_ID
    with network.stranger_serves():
        run = user.resin("ps", f"tcp://{NAME}", "--json")
    assert (run.code, run.error["code"]) == (4, "host-key-changed"), run
    for part in (network.stranger.address, network.device.address, network.strange_ssh.fingerprint):
        assert part in run.error["message"]
    assert network.ssh.fingerprint in run.error["message"]
    assert network.strange_engine.requests == []


def test_the_known_device_is_taken_beside_one_that_answers_first(network: StrangeNetwork, late: User) -> None:
    """It has moved, so its answer is not at the last address either."""
    devices = state_of(late, "devices.json")
    devices[HOST]["addresses"] = ["10.91.0.250"]
    (late.state / "devices.json").write_text(json.dumps(devices))
    network.strange_engine.id = KNOWN_ID
    with network.stranger_serves(), network.device_serves(delay=0.9):
        run = late.resin("env", NAME)
    assert f"tcp://{network.device.address}:2377" in run.out, run
    assert network.strange_engine.requests == []
    assert state_of(late, "devices.json")[HOST]["addresses"] == [network.device.address]


def test_who_relays_the_proof_gets_no_plain_tcp(network: StrangeNetwork, late: User) -> None:
    """The device says over SSH that the address is not its own; so SSH is used, which he cannot read."""
    network.strange_engine.id = KNOWN_ID
    forwarder = network.stranger.forwarder(network.device.address, 22222)
    with (
        network.device.serving(ssh=network.ssh),
        network.stranger.listening(22222, forwarder),
        network.stranger.serving(announces=[NAME], engine=network.strange_engine),
    ):
        run = late.resin("env", NAME)
        assert (run.code, "ssh://" in run.out) == (0, True), run
        assert late.resin("ssh", NAME, "--", "true").code == 0
        run = late.resin("env", NAME)
        assert (run.code, "ssh://" in run.out) == (0, True), run
    assert network.strange_engine.requests == []


def test_a_device_that_was_flashed_again_is_new_after_one_step(network: StrangeNetwork, user: User) -> None:
    engine = RecordingEngine("KTCH:FLASHED")
    with network.device.serving(announces=[NAME], engine=engine, ssh=RecordingSsh(engine)):
        for words in (("ssh", NAME, "--json", "--", "true"), ("ps", f"ssh://root@{NAME}", "--json")):
            assert user.resin(*words).error["code"] == "host-key-changed"
        # The proof of the old key at this address is withdrawn with that.
        refused = user.resin("ps", NAME, "--json")
        assert refused.error["code"] == "host-key-changed", refused
        assert f"`resin ssh {NAME} --forget-key`" in refused.error["hint"]
        run = user.resin("ssh", NAME, "--forget-key", "--", "true")
        assert run.code == 0, run
        for words in (("ps", NAME), ("wait", NAME), ("logs", NAME), ("ps", f"ssh://root@{NAME}")):
            run = user.resin(*words, "--no-input")
            assert run.code == 0, run
            assert "has another ID" not in run.err
    assert state_of(user, "devices.json")[HOST]["engine_id"] == "KTCH:FLASHED"


def test_a_key_is_forgotten_while_only_another_device_answers(network: StrangeNetwork, user: User) -> None:
    """As for a card that was flashed for another board, at another address."""
    with network.stranger_serves():
        assert user.resin("ps", NAME).code == 4
        run = user.resin("ssh", NAME, "--forget-key", "--", "true")
        assert run.code == 0, run
        assert user.resin("ps", NAME).code == 0


def test_a_scan_changes_no_identity(network: StrangeNetwork, user: User, newcomer: User) -> None:
    before = all_state(user)
    network.strange_engine.id = KNOWN_ID
    with network.stranger_serves():
        scanned = user.resin("scan", "--json", "--timeout", "3")
        assert newcomer.resin("scan").code == 0
    data = json.loads(scanned.out.splitlines()[-1])["data"]
    assert [device["recognition"] for device in data["devices"]] == ["changed"]
    [notice] = [each for each in data["warnings"] if each["code"] == "host-key-changed"]
    for part in (network.strange_ssh.fingerprint, network.ssh.fingerprint, network.stranger.address):
        assert part in notice["message"]
    assert network.device.address in notice["message"]
    after = all_state(user)
    assert {name: after[name] for name in before} == before
    assert set(all_state(newcomer)) == {"seen-devices.json"}
    with network.device_serves():
        run = user.resin("ps", NAME)
        assert (run.code, run.err) == (0, "")


@pytest.mark.parametrize("with_ssh", [False, True])
def test_a_copied_engine_id_does_not_make_two_hosts_one(
    network: StrangeNetwork, newcomer: User, with_ssh: bool
) -> None:
    network.strange_engine.id = KNOWN_ID
    with network.stranger_serves(ssh=False), network.device_serves(ssh=with_ssh):
        run = newcomer.resin("ps", NAME, "--json")
        assert (run.code, run.error["code"]) == (2, "device-ambiguous"), run
        for host in (network.device, network.stranger):
            assert host.address in run.error["message"]
        scanned = newcomer.resin("scan", "--json")
        assert len(json.loads(scanned.out.splitlines()[-1])["data"]["devices"]) == 2


def test_another_engine_is_only_a_notice_where_no_key_is_known(
    network: StrangeNetwork, newcomer: User
) -> None:
    with network.device_serves(ssh=False):
        assert newcomer.resin("ps", NAME).code == 0
    with network.stranger_serves(ssh=False):
        run = newcomer.resin("ps", NAME)
        assert run.code == 0
        assert "has another ID than last time" in run.err
        assert "has another ID" not in newcomer.resin("ps", NAME).err


def test_the_only_device_of_a_network_is_asked_about_once(network: StrangeNetwork, newcomer: User) -> None:
    with network.device_serves():
        refused = newcomer.resin("ps", "--json")
        assert (refused.code, refused.error["code"]) == (4, "declined"), refused
        assert f"`resin ps {NAME}`" in refused.error["hint"]
        assert newcomer.resin("ps", "--yes").code == 4
        assert network.engine.requests == []
        asked = newcomer.terminal("ps")
        asked.until(f"Use {NAME} ({network.device.address})? [y/N]")
        asked.type("y\n")
        assert asked.end() == 0, asked.plain
        assert newcomer.resin("ps", "--no-input").code == 0
    network.strange_engine.id = KNOWN_ID
    with network.stranger_serves():
        assert newcomer.resin("ps", "--json").error["code"] == "declined"
    network.assert_nothing_reached_the_stranger()


def test_a_device_that_was_named_by_its_address_needs_no_question(
    network: StrangeNetwork, newcomer: User
) -> None:
    with network.device_serves():
        assert newcomer.resin("ps", network.device.address).code == 0
        assert newcomer.resin("ps", "--no-input").code == 0
        assert newcomer.resin("ssh", network.device.address, "--", "true").code == 0
    network.strange_engine.id = KNOWN_ID
    with network.device.serving(engine=network.strange_engine, ssh=network.strange_ssh, announces=[NAME]):
        assert newcomer.resin("ps", "--json").error["code"] == "host-key-changed"
    network.assert_nothing_reached_the_stranger()


def test_the_required_key_chooses_a_device(network: StrangeNetwork, newcomer: User) -> None:
    required = ("--host-key", network.ssh.fingerprint)
    with (
        network.device_serves(),
        network.stranger.serving(announces=["lamp"], engine=network.strange_engine, ssh=network.strange_ssh),
    ):
        run = newcomer.resin("env", *required)
        assert f"tcp://{network.device.address}:" in run.out, run


def test_the_only_device_of_a_network_is_no_impostor(network: StrangeNetwork, user: User) -> None:
    network.strange_engine.id = KNOWN_ID
    with network.stranger_serves():
        assert user.resin("ps", "--json").error["code"] == "host-key-changed"
    with network.device_serves():
        assert user.resin("ps", "--no-input").code == 0


def test_a_required_key_needs_no_state(network: StrangeNetwork, newcomer: User) -> None:
    (newcomer.home / "state").write_text("no folder")
    required = ("--host-key", network.ssh.fingerprint)
    with network.device_serves():
        assert newcomer.resin("ps", NAME, *required).code == 0
        assert newcomer.resin("ps", network.device.address, *required).code == 0
        assert newcomer.resin("wait", NAME, *required).code == 0
        assert newcomer.resin("ssh", NAME, *required, "--", "true").code == 0
        # It says which device is meant.
        assert newcomer.resin("ps", *required, "--no-input").code == 0
        variable = {"RESIN_HOST_KEY": network.ssh.fingerprint + "="}
        assert newcomer.resin("env", f"tcp://{NAME}", env=variable).code == 0


@pytest.mark.parametrize("words", [("ps", NAME), ("ps", f"tcp://{NAME}"), ("wait", NAME), ("env", NAME)])
def test_a_required_key_is_proven_before_anything_else(
    network: StrangeNetwork, user: User, words: tuple[str, ...]
) -> None:
    """Also where another one is stored, and was proven a moment ago."""
    before = all_state(user)
    variable = {"RESIN_HOST_KEY": network.strange_ssh.fingerprint}
    short = ("--timeout", "2") if words[0] == "wait" else ()
    with network.device_serves():
        run = user.resin(*words, *short, "--json", env=variable)
        assert (run.code, run.error["code"]) == (4, "host-key-changed"), run
        for part in (network.ssh.fingerprint, network.strange_ssh.fingerprint, "--host-key"):
            assert part in run.error["message"]
    with network.device_serves(ssh=False):
        run = user.resin(*words, *short, "--json", env=variable)
        assert (run.code, run.error["code"]) == (4, "host-key-unverified"), run
    assert network.engine.requests == []
    assert all_state(user) == before


def test_a_stored_proof_does_not_count_for_a_required_key(network: StrangeNetwork, user: User) -> None:
    with network.device_serves():
        assert user.resin("ps", NAME).code == 0
    with network.device_serves(ssh=False):
        assert user.resin("ps", NAME).code == 0
        run = user.resin("ps", NAME, "--json", "--host-key", network.ssh.fingerprint)
    assert (run.code, run.error["code"]) == (4, "host-key-unverified"), run


@pytest.mark.parametrize(
    "text", ["", "SHA256:", "MD5:00:11", "SHA256:" + "a" * 42, "SHA256:" + "a" * 42 + "!"]
)
def test_a_malformed_fingerprint_is_a_wrong_value(newcomer: User, text: str) -> None:
    run = newcomer.resin("ps", NAME, "--host-key", text, "--json")
    assert (run.code, run.error["code"]) == (2, "bad-value"), run
    assert "ssh-keygen -lf" in run.error["hint"]
    if text:
        run = newcomer.resin("ps", NAME, "--json", env={"RESIN_HOST_KEY": text})
        assert run.error["message"].startswith("RESIN_HOST_KEY: ")


def test_logs_that_are_followed_stop_at_another_device(network: StrangeNetwork, user: User) -> None:
    network.strange_engine.id = KNOWN_ID
    with network.device_serves():
        followed = user.terminal("logs", NAME, "-f")
        followed.until("hello")
    with network.stranger_serves():
        followed.until("has changed")
        assert followed.end() == 4
    network.assert_nothing_reached_the_stranger()


def test_an_alias_of_the_ssh_configuration_is_a_name_of_its_own(
    network: StrangeNetwork, newcomer: User
) -> None:
    (newcomer.home / ".ssh").mkdir()
    (newcomer.home / ".ssh" / "config").write_text(f"Host board\n HostName {HOST}\n")
    with network.device_serves():
        assert newcomer.resin("ssh", "board", "--", "true").code == 0
        assert newcomer.resin("ps", "board").code == 0
    with network.stranger_serves():
        run = newcomer.resin("ps", "board", "--json")
        assert (run.code, run.error["code"]) == (4, "host-key-changed"), run
    network.assert_nothing_reached_the_stranger()


@contextmanager
def serving_on_link_local(network: StrangeNetwork) -> Iterator[str]:
    """The stranger's engine and SSH server at a link-local IPv6 address."""
    address, threads = "fe80::66", []
    inside = network.stranger.inside
    inside.run("ip", "-6", "address", "add", f"{address}/64", "dev", "eth0", "nodad")
    with inside.entered():
        scope = socket.if_nametoindex("eth0")
        servers = [socket.socket(socket.AF_INET6) for _ in range(2)]
        for server, port in zip(servers, (2377, 22222), strict=True):
            server.bind((address, port, 0, scope))
            server.listen()

    def accept(server: socket.socket, serve: Any) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=server.accept()[:1], daemon=True).start()

    def speak_engine(connection: socket.socket) -> None:
        with connection.makefile("rb") as reader, connection.makefile("wb") as writer:
            network.strange_engine.serve(reader, writer)

    for server, serve in zip(servers, (speak_engine, network.strange_ssh.serve), strict=True):
        threads.append(threading.Thread(target=accept, args=(server, serve)))
        threads[-1].start()
    try:
        yield address
    finally:
        for server in servers:
            server.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for server in servers:
            server.close()
        inside.run("ip", "-6", "address", "delete", f"{address}/64", "dev", "eth0")


def test_a_link_local_address_is_no_way_around(network: StrangeNetwork, user: User) -> None:
    network.strange_engine.id = KNOWN_ID
    with serving_on_link_local(network) as address, network.stranger.serving(announces={NAME: (address,)}):
        run = user.resin("ps", NAME, "--json")
        assert (run.code, run.error["code"]) == (4, "host-key-changed"), run
        assert f"{address}%" in run.error["message"]
        # Nor beside the device's own address.
        with network.device_serves(delay=0.5):
            assert f"tcp://{network.device.address}:2377" in user.resin("env", NAME).out
    network.assert_nothing_reached_the_stranger()


def test_a_damaged_list_of_devices_is_an_error_with_a_remedy(network: StrangeNetwork, user: User) -> None:
    (user.state / "devices.json").write_text("{")
    with network.device_serves():
        for words in (("ps", NAME), ("env", NAME), ("logs", NAME)):
            run = user.resin(*words, "--json")
            assert (run.code, run.error["code"]) == (1, "state-damaged"), run
            assert "delete it" in run.error["hint"]


def test_a_folder_that_cannot_be_written_costs_a_proof(network: StrangeNetwork, late: User) -> None:
    lock = late.state / ".devices.json.lock"
    lock.unlink()
    lock.mkdir()
    with network.device_serves():
        assert late.resin("ps", NAME).code == 0
    with network.device_serves(ssh=False):
        assert late.resin("ps", NAME, "--json").error["code"] == "host-key-unverified"
