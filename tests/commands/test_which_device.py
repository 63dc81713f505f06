"""Which device a command is about that names none, or one whose name two have."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from device.desk import second_network
from device.stand_in import Desk, StandIn, desk, stand_in
from support.resin_command import Run

from resin_toolkit.project.project_state import ProjectState

there = pytest.mark.usefixtures
pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(scope="module")
def kitchen(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "kitchen") as device:
        device.start("stove", "sleep 1000")
        yield device


@pytest.fixture(scope="module")
def hall(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "hall") as device:
        device.start("lamp", "sleep 1000")
        yield device


@pytest.fixture(autouse=True)
def nothing_remembered(table: Desk) -> None:
    shutil.rmtree(table.home / "state", ignore_errors=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of a project that was pushed nowhere yet."""
    (tmp_path / "project" / "src").mkdir(parents=True)
    return tmp_path / "project"


def services(run: Run) -> list[str]:
    return [container["service"] for container in run.data["containers"]]


def test_several_devices_are_listed_off_a_terminal(table: Desk, kitchen: StandIn, hall: StandIn) -> None:
    for words in (("ps",), ("env",), ("logs",)):
        run = table.resin(*words, "--json")
        assert (run.code, run.error["code"]) == (2, "device-ambiguous"), run
        for device in (kitchen, hall):
            assert f"{device.hostname} ({device.address})" in run.error["message"]
        assert "RESIN_DEVICE" in run.error["hint"]


def test_the_variable_counts_and_what_is_typed_counts_more(
    table: Desk, kitchen: StandIn, hall: StandIn
) -> None:
    env = {"RESIN_DEVICE": kitchen.hostname}
    assert services(table.resin("ps", "--json", env=env)) == ["stove"]
    assert services(table.resin("ps", hall.hostname, "--json", env=env)) == ["lamp"]
    wrong = table.resin("ps", "--json", env={"RESIN_DEVICE": "no device"})
    assert (wrong.code, wrong.error["code"]) == (2, "bad-value")
    assert wrong.error["message"].startswith("RESIN_DEVICE: ")


@there("hall")
def test_the_device_of_the_project_is_taken(
    table: Desk, kitchen: StandIn, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", table.environment["XDG_STATE_HOME"])
    ProjectState(project).remember(device="hall", app="lights")
    for folder in (project, project / "src"):
        assert services(table.resin("ps", "--json", cwd=folder)) == ["lamp"]
    env = {"RESIN_DEVICE": kitchen.hostname}
    assert services(table.resin("ps", "--json", cwd=project, env=env)) == ["stove"]


@pytest.mark.parametrize("word", ["attic", "10.91.255.254", "no device", "\x1b[2J"])
def test_a_device_of_the_project_that_is_not_there_is_left_out(
    table: Desk, kitchen: StandIn, hall: StandIn, project: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", table.environment["XDG_STATE_HOME"])
    ProjectState(project).remember(device=word)
    run = table.resin("ps", cwd=project)
    assert run.code == 2
    assert "Ignoring the project's last device: " in run.err
    assert kitchen.hostname in run.err
    assert hall.hostname in run.err
    assert "\x1b" not in run.err


def test_one_of_several_is_picked_on_a_terminal(table: Desk, kitchen: StandIn, hall: StandIn) -> None:
    terminal = table.terminal("ps")
    terminal.until("Which device? [1-2] ")
    rows = [line.split() for line in terminal.plain.splitlines() if line.startswith("  ")]
    assert {tuple(row[1:]) for row in rows} == {
        (device.hostname, device.address) for device in (kitchen, hall)
    }
    [number] = [row[0] for row in rows if row[1] == "hall"]
    terminal.type("3\n")
    terminal.until("Which device? [1-2] ")
    terminal.type(f"{number}\n")
    terminal.until("lamp")
    assert terminal.end() == 0


@there("kitchen", "hall")
def test_nobody_is_asked_with_no_input(table: Desk) -> None:
    terminal = table.terminal("ps", "--no-input")
    terminal.until("hint:")
    assert terminal.end() == 2


def test_an_empty_word_is_no_device(table: Desk, kitchen: StandIn) -> None:
    """`resin reset "$BOARD" --yes` with an unset variable must not reset the only device found."""
    for command in ("reset", "reboot", "ps", "env", "wait", "logs"):
        words = ("--yes",) if command in ("reset", "reboot") else ()
        run = table.resin(command, "", *words, "--json")
        assert (run.code, run.error["code"]) == (2, "bad-value"), (command, run)
    run = table.resin("ssh", "", "--json", "--", "true")
    assert (run.code, run.error["code"]) == (2, "bad-value")
    assert kitchen.pid_now() is not None


def test_two_devices_of_one_name_are_told_apart(table: Desk, kitchen: StandIn) -> None:
    with second_network(table) as wifi, stand_in(wifi, "kitchen") as other:
        other.start("sink", "sleep 1000")
        run = table.resin("ps", "kitchen", "--json")
        assert (run.code, run.error["code"]) == (2, "device-ambiguous"), run
        assert kitchen.address in run.error["message"]
        assert other.address in run.error["message"]
        assert table.resin("ssh", "kitchen.local", "--json", "--", "true").error["code"] == "device-ambiguous"
        for device, service in ((kitchen, "stove"), (other, "sink")):
            assert services(table.resin("ps", device.address, "--json")) == [service]

        # One of them is known by that name since.
        state = table.home / "state/resin/devices.json"
        engine_id = table.resin("wait", other.address, "--json").data["engine"]["id"]
        known = {"addresses": [other.address], "engine_id": engine_id, "at": "2026-01-01T00:00:00+00:00"}
        state.write_text(json.dumps({"kitchen.local": {**known, "contacted": True}}))
        assert services(table.resin("ps", "kitchen", "--json")) == ["sink"]


def test_a_scan_and_the_picker_call_them_by_their_addresses(table: Desk, kitchen: StandIn) -> None:
    with second_network(table) as wifi, stand_in(wifi, "kitchen") as other:
        scanned = table.resin("scan", "--json")
        data = json.loads(scanned.out.splitlines()[-1])["data"]
        assert [notice["code"] for notice in data["warnings"]] == ["same-name"]
        assert {device["addresses"][0] for device in data["devices"]} >= {kitchen.address, other.address}
        assert len({device["host_key"] for device in data["devices"]}) == len(data["devices"])
        listed = table.resin("ps", "--json")
        for device in (kitchen, other):
            assert f"{device.address} ({device.address})" in listed.error["message"]


def test_a_device_with_two_addresses_is_one(table: Desk) -> None:
    """A board on the network by cable and by Wi-Fi announces each address on its own."""
    with second_network(table) as wifi, stand_in(wifi, "attic") as attic:
        attic.desk, before = table, attic.address
        attic.address = table.next_address()
        peer = ("peer", "name", "wlan0", "netns", str(attic.pid))
        table.run("ip", "link", "add", "second", "type", "veth", *peer)
        table.run("ip", "link", "set", "second", "master", table.interface, "up")
        attic.run_in_network("ip", "link", "set", "wlan0", "up")
        attic.run_in_network("ip", "address", "add", f"{attic.address}/24", "dev", "wlan0")
        conf = attic.folder / "avahi" / "avahi-daemon.conf"
        conf.write_text(conf.read_text().replace("allow-interfaces=eth0", "allow-interfaces=eth0,wlan0"))
        attic.run("cp", "/stand-in/avahi/avahi-daemon.conf", "/etc/avahi/avahi-daemon.conf")
        attic.stop_mdns()
        attic.start_mdns()
        attic.wait_for_mdns()
        found = table.resin("wait", "attic", "--json").data["addresses"]
        assert {before, attic.address} <= set(found)
