"""`resin scan` and `resin wait` with devices, and beside other responders."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from device.stand_in import Desk, StandIn, desk, stand_in
from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSService, ServiceInfo, Zeroconf

from resin_toolkit.terminal.live_text import display_width

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(scope="module")
def kitchen(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "kitchen") as device:
        device.start("web", "sleep 1000")
        yield device


@contextmanager
def neighbour(table: Desk, instance: str, kind: str, host: str, port: int, address: str) -> Iterator[None]:
    """A responder on this machine that announces a service of another machine."""
    with table.entered():
        announcer = Zeroconf(interfaces=[table.address])
        info = ServiceInfo(
            kind,
            f"{instance}.{kind if '_sub' not in kind else '_ssh._tcp.local.'}",
            port=port,
            addresses=[socket.inet_aton(address)],
            server=f"{host}.local.",
        )
        announcer.register_service(info, cooperating_responders=True, strict=False)
    try:
        yield
    finally:
        announcer.close()


@contextmanager
def announced(table: Desk, name: str) -> Iterator[None]:
    """A responder that announces a device of any name, repeatedly, at an address that nobody has."""
    absent = table.address.rpartition(".")[0] + ".254"
    instance = f"{name}._ssh._tcp.local."
    message = DNSOutgoing(0x8400)
    message.add_answer_at_time(DNSPointer("_resin-device._sub._ssh._tcp.local.", 12, 1, 120, instance), 0)
    message.add_answer_at_time(DNSService(instance, 33, 1, 120, 0, 0, 1, "evil.local."), 0)
    message.add_answer_at_time(DNSAddress("evil.local.", 1, 1, 120, socket.inet_aton(absent)), 0)
    [data] = message.packets()
    quiet = threading.Event()
    with table.entered():
        speaker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        speaker.setsockopt(socket.SOL_SOCKET, option, 1)
    speaker.bind((table.address, 5353))
    speaker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(table.address))

    def shout() -> None:
        while not quiet.wait(0.1):
            speaker.sendto(data, ("224.0.0.251", 5353))

    thread = threading.Thread(target=shout)
    thread.start()
    try:
        yield
    finally:
        quiet.set()
        thread.join()
        speaker.close()


def events(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines() if '"event"' in line]


def test_the_error_of_an_empty_network_names_the_interface_and_usual_causes() -> None:
    with desk() as empty:
        run = empty.resin("scan", "--timeout", "1")
    assert run.code == 3
    assert empty.address in run.err
    assert "production" in run.err
    assert "5353" in run.err


def test_a_device_is_found_and_completed(kitchen: StandIn) -> None:
    run = kitchen.desk.resin("scan", "--timeout", "20", "--json")
    assert run.code == 0
    news = [(event["event"], event["device"]["name"]) for event in events(run.out)]  # type: ignore[index]
    assert news[0] == ("found", "kitchen")
    assert ("completed", "kitchen") in news
    [device] = json.loads(run.out.splitlines()[-1])["data"]["devices"]
    assert device["host"] == "kitchen.local"
    assert device["addresses"][0] == kitchen.address
    assert len(device["interfaces"]) == 1
    assert device["os"] == {"name": "Resin OS", "version": "2.0.0+rev1"}
    assert device["variant"] == "development"
    assert device["engine"]["port"] == 2377
    assert [container["service"] for container in device["containers"]] == ["web"]
    assert device["host_key"].startswith("SHA256:")


def test_a_device_that_is_too_slow_is_shown_with_a_warning(kitchen: StandIn) -> None:
    held = [kitchen.pid_of(service) for service in ("ssh", "engine")]
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    try:
        run = kitchen.desk.resin("scan", "--timeout", "4")
    finally:
        for pid in held:
            os.kill(pid, signal.SIGCONT)
    assert run.code == 0
    assert run.out.splitlines()[1].split()[:3] == ["kitchen", kitchen.address, "-"]
    assert "kitchen.local announces itself but did not answer all queries within 4 s" in run.err
    assert "--timeout 12" in run.err


def test_off_a_terminal_each_device_is_one_row(kitchen: StandIn) -> None:
    run = kitchen.desk.resin("scan", "--timeout", "20")
    heading, row = run.out.splitlines()
    assert heading.startswith("DEVICE")
    assert row.split()[:2] == ["kitchen", kitchen.address]
    assert "development" in row


def test_on_a_terminal_the_table_is_written_in_its_place(kitchen: StandIn) -> None:
    terminal = kitchen.desk.terminal("scan")
    terminal.until("kitchen")
    assert terminal.end() == 0
    assert "\x1b[J" in terminal.screen
    assert terminal.plain.count("1: web") >= 1


def test_no_line_of_a_terminal_wraps_whatever_the_names_are(kitchen: StandIn) -> None:
    for name in ("n" * 63, "\u53a8" * 20, "evil\x1b[2J\nrow"):
        with announced(kitchen.desk, name):
            terminal = kitchen.desk.terminal("scan")
            terminal.resize(24, 80)
            assert terminal.end() == 0, terminal.screen
        last = terminal.screen.rpartition("\x1b[J")[2].replace("\r", "")
        rows = [line for line in last.splitlines() if "10.91." in line]
        assert len(rows) == 2, terminal.screen
        assert all(display_width(line) < 80 for line in last.splitlines() if "warning" not in line)
        assert any(f" {kitchen.address} " in row for row in rows)
        assert "\x1b" not in last


def test_a_watch_shows_who_leaves_and_comes_back(kitchen: StandIn) -> None:
    terminal = kitchen.desk.terminal("scan", "--watch")
    terminal.until("kitchen")
    kitchen.stop_mdns()
    terminal.until("Searching on")
    kitchen.start_mdns()
    terminal.until("kitchen")
    terminal.interrupt()
    assert terminal.end() == 130


def test_other_ssh_servers_are_not_contacted(kitchen: StandIn) -> None:
    listener = subprocess.Popen([*kitchen.prefix, "socat", "-u", "TCP-LISTEN:2345", "OPEN:/dev/null"])
    try:
        with neighbour(kitchen.desk, "server", "_ssh._tcp.local.", "server", 2345, kitchen.address):
            run = kitchen.desk.resin("scan")
        # It ends with its first connection.
        assert listener.poll() is None
        with kitchen.desk.entered():
            socket.create_connection((kitchen.address, 2345)).close()
        assert listener.wait(20) == 0
    finally:
        listener.kill()
        listener.wait()
    assert "server" not in run.out


def test_control_characters_in_a_name_are_replaced(kitchen: StandIn) -> None:
    with announced(kitchen.desk, "evil\x1b[2J\nrow"):
        run = kitchen.desk.resin("scan")
    assert "evil\ufffd[2J\ufffdrow" in run.out
    assert "\x1b" not in run.out + run.err
    assert len(run.out.splitlines()) == 3


def test_wait_returns_once_the_device_is_there(kitchen: StandIn) -> None:
    run = kitchen.desk.resin("wait", "kitchen", "--json")
    assert run.data["host"] == "kitchen.local"
    assert run.data["os"]["name"] == "Resin OS"
    kitchen.reboot(off_for=2.0)
    run = kitchen.desk.resin("wait", "kitchen", "--timeout", "60")
    assert run.code == 0
    assert "is up" in run.out


def test_scan_and_wait_tell_of_a_changed_host_key(kitchen: StandIn) -> None:
    assert kitchen.desk.resin("ssh", "kitchen", "--", "true").code == 0
    kitchen.new_host_keys()
    run = kitchen.desk.resin("wait", "kitchen", "--json")
    assert (run.code, run.error["code"]) == (4, "host-key-changed")
    assert "`resin ssh kitchen --forget-key`" in run.error["hint"]
    run = kitchen.desk.resin("scan", "--timeout", "20")
    assert "kitchen (not the known device)" in run.out
    assert "warning: The host key of kitchen.local has changed" in run.err
    assert kitchen.desk.resin("ssh", "kitchen", "--forget-key", "--", "true").code == 0
    assert "host key" not in kitchen.desk.resin("wait", "kitchen").err
    assert "warning" not in kitchen.desk.resin("scan").err


def test_wait_ends_with_the_last_cause(kitchen: StandIn) -> None:
    for word, cause in (("nosuch", "nosuch.local"), ("10.91.255.254", "10.91.255.254")):
        run = kitchen.desk.resin("wait", word, "--timeout", "2")
        assert run.code == 6
        assert "did not respond within 2 s" in run.err
        assert cause in run.err


def test_the_only_device_on_the_network_need_not_be_named(kitchen: StandIn) -> None:
    assert kitchen.desk.resin("ps", "kitchen").code == 0
    assert kitchen.desk.resin("ps").code == 0
    with stand_in(kitchen.desk, "kitchen"):
        run = kitchen.desk.resin("ps")
        assert run.code == 2
        assert "kitchen-2" in run.err
        both = kitchen.desk.resin("scan", "--json")
        assert len(json.loads(both.out.splitlines()[-1])["data"]["devices"]) == 2


def test_a_cached_address_is_used_only_for_the_same_device(kitchen: StandIn) -> None:
    shutil.rmtree(kitchen.desk.home / "state")
    assert kitchen.desk.resin("wait", "kitchen").code == 0
    kitchen.stop_mdns()
    try:
        assert kitchen.desk.resin("env", "kitchen").code == 0
        state = kitchen.desk.home / "state/resin/devices.json"
        known = json.loads(state.read_text())
        known["kitchen.local"].update(engine_id="another")
        state.write_text(json.dumps(known))
        assert kitchen.desk.resin("env", "kitchen").code == 3
    finally:
        kitchen.start_mdns()
