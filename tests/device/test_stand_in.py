"""The stand-in device, judged by OpenSSH, docker CLI and zeroconf: it is one, and each breaker breaks it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from device.desk import run, wait_for
from device.stand_in import Desk, StandIn, desk, stand_in

pytestmark = pytest.mark.root

COUNTER = "i=0; while true; do echo $i; i=$((i+1)); sleep 0.05; done"
NO_PINS = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(scope="module")
def kitchen(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "kitchen") as device:
        yield device


def ssh(device: StandIn, *words: str, address: str = "", options: tuple[str, ...] = ()) -> str:
    """What OpenSSH's client prints, run on the desk without any key."""
    at = f"root@{address or device.address}"
    own = ("-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-p", str(device.ssh_port))
    return device.desk.run("ssh", *own, *options, *NO_PINS, at, *words)


def engine(device: StandIn, *words: str) -> str:
    """What the docker CLI prints, run on the desk, over TCP."""
    return device.desk.run("docker", "--host", f"tcp://{device.address}:{device.engine_port}", *words)


def connected(device: StandIn, port: int) -> socket.socket:
    with device.desk.entered():
        return socket.create_connection((device.address, port), timeout=5)


def announced(table: Desk, hostname: str) -> set[str]:
    """The IPv4 addresses under which a device is announced with its subtype, as zeroconf sees it now."""
    from zeroconf import InterfaceChoice, IPVersion, ServiceBrowser, ServiceListener, Zeroconf

    class Names(ServiceListener):
        def __init__(self) -> None:
            self.found: set[str] = set()

        def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:  # noqa: ARG002
            self.found.add(name.partition(".")[0])

        def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None: ...

        def update_service(self, zc: Zeroconf, type_: str, name: str) -> None: ...

    names = Names()
    with table.entered():
        zeroconf = Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.V4Only)
        browser = ServiceBrowser(zeroconf, "_resin-device._sub._ssh._tcp.local.", names)
        try:
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline and hostname not in names.found:
                time.sleep(0.05)
            if hostname not in names.found:
                return set()
            info = zeroconf.get_service_info("_ssh._tcp.local.", f"{hostname}._ssh._tcp.local.", timeout=3000)
            assert info is not None
            assert info.port == 22222
            return set(info.parsed_addresses(IPVersion.V4Only))
        finally:
            browser.cancel()
            zeroconf.close()


def read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


def numbers(device: StandIn, name: str) -> list[int]:
    return [int(line) for line in device.docker("logs", name).splitlines()]


def test_a_shell_without_a_password(kitchen: StandIn) -> None:
    said = ssh(kitchen, "hostname; id -u; . /etc/os-release; echo $ID $VARIANT_ID; ls /mnt/boot /mnt/state")
    assert said.split()[:4] == ["kitchen", "0", "resin-os", "dev"]
    assert {"device-type.json", "config.json", "remove_me_to_reset"} <= set(said.split())
    assert ssh(kitchen, "hostname", address=kitchen.address6) == "kitchen\n"


def test_the_machine_itself_is_out_of_reach(kitchen: StandIn) -> None:
    ssh(kitchen, "touch /stray /root/stray /tmp/stray /etc/stray")
    assert not [place for place in ("/", "/root", "/tmp", "/etc") if Path(place, "stray").exists()]
    for inside in (lambda *words: ssh(kitchen, *words), kitchen.run):
        with pytest.raises(RuntimeError, match="not permitted"):
            inside("date", "--set=@" + str(int(time.time())))


def test_an_engine_on_tcp(kitchen: StandIn) -> None:
    identity = kitchen.start("one", "echo hello; echo problem >&2; sleep 1000")
    assert engine(kitchen, "ps", "--quiet", "--no-trunc").split() == [identity]
    wait_for(lambda: engine(kitchen, "logs", "one") == "hello\n", "the container's output")
    kitchen.start("terminal", "test -t 1 && echo yes", tty=True, restart="on-failure")
    wait_for(lambda: engine(kitchen, "logs", "terminal") == "yes\n", "the terminal's output")
    assert (
        engine(kitchen, "inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", "terminal") == "on-failure\n"
    )
    engine(kitchen, "rm", "-f", "one", "terminal")


def journal(device: StandIn, *words: str) -> list[dict[str, str]]:
    shown = ssh(device, "journalctl", "--no-pager", "--output=json", *words)
    return [json.loads(line) for line in shown.splitlines()]


def test_a_journal(kitchen: StandIn) -> None:
    kitchen.journal("a line\nanother", identifier="mine")
    wait_for(lambda: len(journal(kitchen, "-t", "mine")) == 2, "two entries")
    first, second = journal(kitchen, "-t", "mine")
    assert (first["MESSAGE"], second["MESSAGE"]) == ("a line", "another")
    assert journal(kitchen, "-t", "mine", f"--after-cursor='{first['__CURSOR']}'") == [second]
    assert first["_BOOT_ID"] != Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    assert not journal(kitchen, "_TRANSPORT=kernel")
    kitchen.start("logged", "echo by journald; sleep 1000", log_driver="journald")
    wait_for(lambda: engine(kitchen, "logs", "logged") == "by journald\n", "the container's output")
    assert [entry["MESSAGE"] for entry in journal(kitchen, "CONTAINER_NAME=logged")] == ["by journald"]
    kitchen.docker("rm", "-f", "logged")


def test_an_announcement(table: Desk, kitchen: StandIn) -> None:
    assert announced(table, "kitchen") == {kitchen.address}
    kitchen.stop_mdns()
    assert announced(table, "kitchen") == set()
    kitchen.start_mdns()
    assert announced(table, "kitchen") == {kitchen.address}


def test_no_connection_outlives_the_killing_of_sockets(kitchen: StandIn) -> None:
    for port in (kitchen.ssh_port, 2377):
        with connected(kitchen, port) as killed, connected(kitchen, 22222 if port == 2377 else 2377) as other:
            kitchen.kill_sockets(port)
            with pytest.raises(ConnectionResetError):
                read_to_the_end(killed)
            other.settimeout(0.3)
            with pytest.raises(TimeoutError):
                read_to_the_end(other)
    assert ssh(kitchen, "hostname") == "kitchen\n"


def test_a_cable_that_is_pulled_and_put_back(kitchen: StandIn) -> None:
    with connected(kitchen, 2377) as connection:
        kitchen.link(up=False)
        with pytest.raises(OSError):
            connected(kitchen, 22222).close()
        kitchen.link(up=True)
        connection.settimeout(20)
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.0 200")
    assert ssh(kitchen, "hostname", address=kitchen.address6) == "kitchen\n"


def test_containers_go_on_while_the_engine_is_restarted(kitchen: StandIn) -> None:
    kitchen.start("counter", COUNTER)
    wait_for(lambda: len(numbers(kitchen, "counter")) > 5, "some numbers")
    kitchen.stop_engine()
    with pytest.raises(OSError, match="refused"):
        connected(kitchen, 2377)
    before = ssh(kitchen, "pgrep -f 'i=0; while true'")
    kitchen.start_engine()
    kitchen.restart_engine()
    assert ssh(kitchen, "pgrep -f 'i=0; while true'").split()[:1] == before.split()[:1]
    seen = numbers(kitchen, "counter")
    wait_for(lambda: len(numbers(kitchen, "counter")) > len(seen) + 5, "more numbers")
    seen = numbers(kitchen, "counter")
    # An engine that ends may take a line with it that it has read and not written; the container goes on.
    assert seen == sorted(set(seen))
    assert seen[0] == 0
    assert seen[-1] < len(seen) + 2
    kitchen.docker("rm", "-f", "counter")


def test_an_ssh_server_that_is_stopped(kitchen: StandIn) -> None:
    kitchen.stop_ssh()
    with pytest.raises(RuntimeError, match="refused"):
        ssh(kitchen, "true")
    kitchen.start_ssh()
    assert ssh(kitchen, "echo back") == "back\n"


def host_keys(device: StandIn) -> set[str]:
    words = ("ssh-keyscan", "-p", str(device.ssh_port), device.address)
    return {line for line in device.desk.run(*words).splitlines() if line and line[0] != "#"}


def test_new_host_keys(kitchen: StandIn) -> None:
    before = host_keys(kitchen)
    assert before == host_keys(kitchen)
    assert {line.split()[1] for line in before} >= {"ssh-ed25519", "ssh-rsa"}
    kitchen.new_host_keys()
    assert not before & host_keys(kitchen)


def test_another_address(table: Desk, kitchen: StandIn) -> None:
    old = kitchen.address
    kitchen.change_address()
    assert kitchen.address != old
    assert ssh(kitchen, "hostname") == "kitchen\n"
    with pytest.raises(RuntimeError, match=r"No route|timed out"):
        ssh(kitchen, "hostname", address=old)
    wait_for(lambda: announced(table, "kitchen") == {kitchen.address}, "the new announcement")


def engine_time(device: StandIn) -> datetime:
    return datetime.fromisoformat(engine(device, "info", "-f", "{{.SystemTime}}").strip()[:19] + "+00:00")


def test_the_engines_clock(kitchen: StandIn) -> None:
    a_day, near = timedelta(days=1), timedelta(minutes=10)
    kitchen.start("stamped", COUNTER)
    try:
        kitchen.set_engine_clock(-86400)
        assert abs(datetime.now(UTC) - a_day - engine_time(kitchen)) < near
        last = ("logs", "--timestamps", "--tail", "1", "stamped")
        yesterday = f"{datetime.now(UTC) - a_day:%Y-%m-%d}"
        wait_for(lambda: engine(kitchen, *last).startswith(yesterday), "a stamp of yesterday")
        kitchen.restart_engine()
        assert abs(datetime.now(UTC) - a_day - engine_time(kitchen)) < near
        kitchen.set_engine_clock(7200)
        assert abs(datetime.now(UTC) + timedelta(hours=2) - engine_time(kitchen)) < near
        assert abs(int(ssh(kitchen, "date +%s")) - time.time()) < near.total_seconds()
    finally:
        kitchen.set_engine_clock(0)
    assert abs(datetime.now(UTC) - engine_time(kitchen)) < near
    seen = numbers(kitchen, "stamped")
    assert seen == list(range(len(seen)))
    kitchen.docker("rm", "-f", "stamped")


def test_a_reboot_and_what_is_kept(kitchen: StandIn) -> None:
    kitchen.start("kept", "echo up; sleep 1000", restart="always")
    kitchen.start("ends", "sleep 1000")
    ssh(kitchen, "touch /mnt/data/kept /mnt/state/kept /etc/lost")
    identity = engine(kitchen, "info", "--format", "{{.ID}}")
    kitchen.reboot()
    wait_for(lambda: engine(kitchen, "info", "--format", "{{.ID}}") == identity, "the same engine")
    assert ssh(kitchen, "ls /mnt/data/kept /mnt/state/kept; ls /etc/lost || true").split() == [
        "/mnt/data/kept",
        "/mnt/state/kept",
    ]
    wait_for(
        lambda: engine(kitchen, "ps", "--format", "{{.Names}}").split() == ["kept"],
        "the container that is kept",
    )
    kitchen.docker("rm", "-f", "kept", "ends")


@pytest.mark.parametrize("command", ["reboot", "systemctl reboot"])
def test_it_reboots_by_itself_and_resets_what_is_told_so(kitchen: StandIn, command: str) -> None:
    before = kitchen.pid
    kitchen.run("sh", "-c", "touch /mnt/state/mine; rm /mnt/state/remove_me_to_reset")
    # It may be gone before the command has ended.
    subprocess.run([*kitchen.prefix, *command.split()], check=False)
    kitchen.wait_for_reboot(before)
    assert ssh(kitchen, "ls /mnt/state").split() == ["docker", "remove_me_to_reset", "root-home"]


def test_each_engine_has_an_identity_of_its_own(table: Desk, kitchen: StandIn) -> None:
    with stand_in(table, "cellar", announces=False) as cellar:
        identities = {engine(device, "info", "--format", "{{.ID}}") for device in (kitchen, cellar)}
    assert len(identities) == 2


def test_a_production_device_lets_in_by_key_only(table: Desk, tmp_path: Path) -> None:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"])
    with stand_in(table, "office", production=True) as office:
        assert office.engine_port is None
        assert announced(table, "office") == set()
        with pytest.raises(OSError, match="refused"):
            connected(office, 2377)
        with pytest.raises(RuntimeError, match="Permission denied"):
            ssh(office, "true")
        office.authorize((tmp_path / "key.pub").read_text())
        with_key = ("-i", str(tmp_path / "key"))
        assert ssh(office, ". /etc/os-release; echo $VARIANT_ID", options=with_key) == "prod\n"
        assert ssh(office, "docker info -f '{{.Name}}'", options=with_key) == "office\n"


def test_a_device_of_2016_has_its_algorithms_only(table: Desk) -> None:
    with stand_in(table, "attic", old_algorithms=True, engine=False, announces=False) as attic:
        with pytest.raises(RuntimeError, match="no matching"):
            ssh(attic, "true", options=("-o", "LogLevel=INFO"))
        old = ("-o", "KexAlgorithms=diffie-hellman-group14-sha1", "-o", "HostKeyAlgorithms=ssh-rsa")
        old += ("-o", "Ciphers=aes128-ctr", "-o", "MACs=hmac-sha1")
        assert ssh(attic, "hostname", options=old) == "attic\n"
        assert announced(table, "attic") == set()


def test_two_desks_do_not_meet_and_nothing_is_left() -> None:
    with desk() as here, desk() as there:
        with stand_in(here, "same", engine=False) as one, stand_in(there, "same", engine_port=2375) as two:
            assert announced(here, "same") == {one.address}
            assert announced(there, "same") == {two.address}
            two.start("left", COUNTER)
            folders, group = (one.folder, two.folder), two.folder.name
            assert list(Path("/sys/fs/cgroup").glob(f"**/{group}"))
        assert not [folder for folder in folders if folder.exists()]
        assert not list(Path("/sys/fs/cgroup").glob(f"**/{group}"))
        shown = subprocess.run(["ps", "-e", "-o", "args"], capture_output=True, text=True, check=True).stdout
        assert not [folder for folder in folders if folder.name in shown]
        assert not [folder for folder in folders if folder.name in Path("/proc/self/mountinfo").read_text()]


def test_nothing_is_left_of_a_run_that_is_killed() -> None:
    script = (
        "from device.stand_in import desk, stand_in\n"
        "with desk() as table, stand_in(table, engine=False) as made:\n"
        "    print(table.home, made.folder, flush=True)\n"
        "    input()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as made:
        assert made.stdout is not None
        home, folder = map(Path, made.stdout.readline().split())
        assert home.is_dir()
        assert folder.is_dir()
        made.kill()
    wait_for(lambda: not home.exists() and not folder.exists(), "the end of the device")
    wait_for(lambda: folder.name not in run(["ps", "-e", "-o", "args"]), "the end of its processes")


def test_one_for_a_person(table: Desk) -> None:
    """On the network that `up` is started on: here it is the desk's, so that it meets nobody else's."""
    words = (sys.executable, Path(__file__).with_name("up"), "--name", "pantry", "--port", "2375")
    command = [*table.prefix, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
        try:
            assert up.stdout is not None
            shown = ""
            while "Ctrl-C" not in shown:
                line = up.stdout.readline()
                assert line, shown
                shown += line
            host = shown.partition("DOCKER_HOST=")[2].split()[0]
            assert table.run("docker", "--host", host, "info", "--format", "{{.Name}}") == "pantry\n"
            shell = shown.partition("shell:")[2].split("\n")[0].split()
            assert table.run(*shell[:1], *NO_PINS, *shell[1:], "hostname") == "pantry\n"
            assert announced(table, "pantry")
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(30)
    assert up.returncode == 0
    folder = Path(shown.partition("files:")[2].split()[0])
    assert not folder.exists()
    assert shown.partition("plugged into ")[2].split()[0] not in table.run("ip", "link")
