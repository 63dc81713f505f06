"""`resin doctor` on workstations that really lack something."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from device.desk import Desk, desk
from support.resin_command import PROGRAM, Run, environment, program, resin

from resin_toolkit.cli.command_table import COMMANDS
from resin_toolkit.doctor import access, programs
from resin_toolkit.doctor.checks import CHECKS
from resin_toolkit.doctor.findings import Status


def findings(run: Run) -> dict[str, dict[str, Any]]:
    """The findings by the name of their check."""
    envelope = json.loads(run.out)
    assert envelope["error"] is None, run
    return {found["check"]: found for found in envelope["data"]["findings"]}


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        # A port that is up carries the bridge.
        made.run("ip", "link", "add", "port", "type", "veth", "peer", "name", "far")
        made.run("ip", "link", "set", "port", "master", made.interface, "up", "addrgenmode", "none")
        made.run("ip", "link", "set", "far", "addrgenmode", "none")
        made.run("ip", "link", "set", "far", "up")
        yield made


@pytest.mark.root
def test_a_working_network(table: Desk) -> None:
    done = table.resin("doctor", "--json")
    found = findings(done)
    assert done.code == 0, found
    assert {found[name]["status"] for name in ("network", "mdns", "state", "packages", "drives")} == {"ok"}
    assert table.interface in found["network"]["message"]
    assert "scan" not in found["drives"]["commands"]
    text = table.resin("doctor")
    assert text.code == 0
    assert f"ok       Connected to the network on {table.interface}." in text.out


@pytest.mark.root
def test_no_network_interface() -> None:
    done = program("doctor", "--json", command=("unshare", "--net", PROGRAM))
    found = findings(done)
    assert done.code == 1
    assert found["network"]["status"] == found["mdns"]["status"] == "missing"
    assert "ssh" in found["network"]["commands"]


@pytest.mark.root
@pytest.mark.parametrize(("chain", "target"), [("INPUT", "DROP"), ("OUTPUT", "DROP"), ("OUTPUT", "REJECT")])
def test_a_firewall_that_drops_mdns(table: Desk, chain: str, target: str) -> None:
    rule = (chain, "--protocol", "udp", "--dport", "5353", "--jump", target)
    for tables in ("iptables", "ip6tables"):
        table.run(tables, "--append", *rule)
    try:
        done = table.resin("doctor")
        assert done.code == 1
        assert "missing  Devices cannot be found by mDNS" in done.out
        assert "5353" in done.out
        table.run("ip6tables", "--delete", *rule)
        assert table.resin("doctor").code == 0
    finally:
        for tables in ("iptables", "ip6tables"):
            table.run(tables, "--flush", chain)


@pytest.mark.root
def test_a_program_that_binds_the_port_exclusively(table: Desk) -> None:
    with table.entered():
        holders = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
    try:
        holders[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for holder in holders:
            holder.bind(("", 5353))
        done = table.resin("doctor", "--json")
        assert done.code == 1
        assert "holds UDP port 5353" in findings(done)["mdns"]["message"]
    finally:
        for holder in holders:
            holder.close()


def test_programs_that_are_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for check in (programs.check_docker, programs.check_qemu):
        found = check()
        assert found.status is Status.WARNING
        assert found.remedy
    for name in ("podman", "qemu-system-arm"):
        shutil.copy("/bin/true", tmp_path / name)
    assert "podman" in programs.check_docker().message
    assert programs.check_docker().status is programs.check_qemu().status is Status.OK


def test_python_packages_that_are_missing(tmp_path: Path) -> None:
    """An interpreter that sees this code and nothing that it depends on."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); from resin_toolkit.doctor import programs as p; "
    script += "found = p.check_packages(); print(found.status.value, found.message, found.commands)"
    (tmp_path / "resin_toolkit").symlink_to(Path(programs.__file__).parent.parent)
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    assert bare.startswith("missing Python packages are missing: paramiko, docker, zeroconf")
    assert "'scan'" in bare
    assert programs.check_packages().status is Status.OK


def test_a_state_directory_that_cannot_be_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file" / "below"))
    found = access.check_state()
    assert found.status is Status.WARNING
    assert f"{tmp_path}/file is not a directory" in found.message
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "new" / "below"))
    assert access.check_state().status is Status.OK
    assert not (tmp_path / "new").exists()


def test_a_state_directory_that_everybody_can_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "open"))
    found = access.check_state()
    assert found.status is Status.WARNING
    assert f"everybody can write to {tmp_path}/open" in found.message


@pytest.mark.root
def test_an_unprivileged_user(tmp_path: Path) -> None:
    """Nobody, who has no udisks2 here either, and a state folder of root's."""
    script = "from resin_toolkit.doctor import access as a; "
    script += "print(a.check_state().message); print(a.check_drives().message)"
    nobody = ("unshare", "--mount", "--", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec setpriv "$@"', "sh")
    identity = ("--reuid", "65534", "--regid", "65534", "--clear-groups")
    reading = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    shown = subprocess.run(
        [*nobody, *identity, *reading, sys.executable, "-c", script],
        env=environment(XDG_STATE_HOME="/usr/of-root"),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout.splitlines()
    assert shown[0] == "Device data cannot be stored in /usr/of-root/resin: /usr is not writable."
    assert shown[1].startswith("Only root can write to drives")


def test_ssh_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert access.check_ssh_keys().status is Status.WARNING
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").write_text("")
    assert "id_ed25519" in access.check_ssh_keys().message
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    assert "No SSH agent answers" in access.check_ssh_keys().message
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        assert access.check_ssh_keys().message == "SSH keys: the agent, id_ed25519."


@pytest.mark.parametrize(
    ("word", "status"), [("kitchen", "ok"), ("http://kitchen", "missing"), ("a b", "missing")]
)
def test_a_default_device(monkeypatch: pytest.MonkeyPatch, word: str, status: str) -> None:
    monkeypatch.setenv("RESIN_DEVICE", word)
    found = findings(resin("doctor", "--json"))["default-device"]
    assert found["status"] == status
    assert word in found["message"]
    assert bool(found["remedy"]) is (status == "missing")


def test_the_commands_of_a_finding_exist() -> None:
    commands = {entry.name for entry in COMMANDS}
    for check in CHECKS:
        named = check().commands
        assert named
        assert set(named) <= commands, check
