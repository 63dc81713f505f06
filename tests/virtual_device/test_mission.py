"""The life of a device: configure, flash, boot, scan, ssh, push, logs, reset.

The tests are consecutive steps: each begins with the device in the state that the previous one left.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from device.desk import desk
from support.followed_logs import followed
from support.resin_command import PROGRAM

from virtual_device.mission import HOST, Mission, mission, write_project
from virtual_device.running import Virtual, virtual

# Includes building the image if it is not cached, and boots with emulation.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mission]:
    with desk() as table, mission(table, tmp_path_factory.mktemp("mission")) as made:
        yield made


@pytest.fixture(scope="module")
def kitchen(way: Mission) -> Iterator[Virtual]:
    """The development device, booted from what was flashed."""
    flashed = way.flash()
    assert flashed.code == 0, flashed
    with virtual(way.desk, way.card) as device:
        device.wait_for_ssh(way.address)
        yield device


def test_scan_finds_the_configured_name(way: Mission, kitchen: Virtual) -> None:
    waited = way.resin("wait", HOST, "--json")
    assert waited.code == 0, waited
    envelope = json.loads(way.resin("scan", "--timeout", "20", "--json").out.splitlines()[-1])
    [found] = envelope["data"]["devices"]
    assert (found["name"], found["host"], found["ssh_port"]) == (HOST, f"{HOST}.local", kitchen.ssh_port)
    assert way.address in found["addresses"]
    told = json.loads(waited.out.splitlines()[-1])["data"]
    assert (told["device_type"], told["variant"], told["os"]["version"]) == (
        "qemux86-64",
        "development",
        "2.0.0+rev1",
    )


def test_the_device_has_the_configured_settings(way: Mission, kitchen: Virtual) -> None:
    assert "kitchen login:" in kitchen.log
    assert "resin-root" in way.ssh("lsblk -no LABEL $(findmnt -no SOURCE /)")
    shown = way.ssh("nmcli -t -f NAME,TYPE,DEVICE,FILENAME connection show --active").splitlines()
    profiles = "/etc/NetworkManager/system-connections"
    assert f"ethernet:802-3-ethernet:eth0:{profiles}/ethernet" in shown
    assert way.ssh(f"stat -c '%a %n' {profiles}/*") == f"600 {profiles}/ethernet\n"
    assert way.ssh("hostname; cat /root/.ssh/authorized_keys") == f"{HOST}\n{way.key.read_text()}"
    assert way.ssh("ls /var/log/journal").strip()


def test_ssh_returns_the_exit_code_of_the_command(way: Mission, kitchen: Virtual) -> None:
    assert kitchen.console.exists()
    done = way.resin("ssh", HOST, "--", "echo out; echo problem >&2; exit 7")
    assert (done.code, done.out, done.err) == (7, "out\n", "problem\n")


def test_a_project_is_pushed_and_changes_are_synced(way: Mission, kitchen: Virtual) -> None:
    project = write_project(way.folder / "garden")
    pushed = way.resin("push", HOST, "--detach", "--json", cwd=project)
    assert pushed.code == 0, pushed
    assert "/app/main.sh" in way.ssh("docker ps --no-trunc")
    command = [*kitchen.desk.prefix, str(PROGRAM), "push", HOST, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=kitchen.desk.environment, cwd=project) as live:
        assert live.stdout is not None
        shown = iter(live.stdout)
        try:
            next(line for line in shown if b'"line"' in line)
            (project / "note").write_text("second\n")
            next(line for line in shown if b"note: second" in line)
        finally:
            live.send_signal(signal.SIGINT)
            live.stdout.read()
    # Ctrl-C.
    assert live.returncode == 130
    ps = way.resin("ps", HOST, "--json")
    assert [row["state"] for row in ps.data["containers"]] == ["running"]


def test_logs_are_followed_across_a_reboot(way: Mission, kitchen: Virtual) -> None:
    [row] = way.resin("ps", HOST, "--json").data["containers"]
    with followed(kitchen.desk, HOST) as logs:
        logs.until(b"note: second")
        rebooted = way.resin("reboot", HOST, "--yes", "--wait")
        assert rebooted.code == 0, rebooted
        logs.until_said(b"Reconnected")
        logs.until(b"note: second", 2)
        kept = way.ssh(f"journalctl --quiet --output=cat CONTAINER_NAME={row['name']}").splitlines()
        logs.until(kept[-1].encode() + b"\n")
    assert sum(line == "note: second" for line in kept) == 2
    begin = logs.lines.index(kept[0])
    assert logs.lines[begin : begin + len(kept)] == kept


def test_a_reset_restores_the_flashed_state(way: Mission, kitchen: Virtual) -> None:
    way.ssh("touch /mnt/state/mine /mnt/data/mine; nmcli connection add type dummy ifname d0 con-name mine")
    host_key = way.ssh("cat /mnt/state/root-overlay/etc/ssh/ssh_host_ed25519_key.pub")
    done = way.resin("reset", HOST, "--data", "--yes", "--json")
    assert done.code == 0, done
    kitchen.wait_for_ssh(way.address)
    # The reset has forgotten its key.
    accepted = way.resin("ssh", HOST, "--", "true")
    assert accepted.code == 0, accepted
    assert "Permanently added" in accepted.err
    assert way.ssh("cat /mnt/state/root-overlay/etc/ssh/ssh_host_ed25519_key.pub") != host_key
    assert way.ssh("ls /mnt/state/mine /mnt/data/mine 2>/dev/null; true") == ""
    assert "mine" not in way.ssh("nmcli -t -f NAME connection show").split()
    assert way.ssh("ls /mnt/state /mnt/data | grep -c remove_me_to_reset") == "2\n"
    assert "ethernet" in way.ssh("nmcli -t -f NAME connection show --active").split()


def test_a_production_device_accepts_only_its_configured_key(way: Mission, kitchen: Virtual) -> None:
    # A production device does not announce its name, so its address must be known, too. After a reset the
    # SSH server may be restarted once more.
    deadline = time.monotonic() + 60.0
    while (run := way.resin("ssh", way.address, "--", "true")).code:
        assert time.monotonic() < deadline, run
        time.sleep(1.0)
    kitchen.power_off()
    flashed = way.flash(development=False)
    assert flashed.code == 0, flashed
    with virtual(way.desk, way.card) as office:
        office.wait_for_ssh(way.address)
        refused = way.resin("reboot", way.address, "--yes", "--json")
        assert refused.code == 4, refused
        assert f"resin ssh {way.address} --forget-key" in refused.error["hint"]
        accepted = way.resin("ssh", way.address, "--forget-key", "--", ". /etc/os-release; echo $VARIANT_ID")
        assert (accepted.code, accepted.out) == (0, "prod\n")
        stranger = way.resin("ssh", way.address, "--", "true", home=way.folder)
        assert stranger.code == 255
        assert way.resin("scan").code == 3
        told = way.resin("wait", way.address, "--json").data
        assert (told["variant"], told["ssh_port"]) == ("production", office.ssh_port)
        # Its engine is reached through SSH.
        listed = way.resin("ps", way.address, "--json")
        assert (listed.code, listed.data["containers"]) == (0, [])
        assert way.resin("ssh", way.address, "--", "ss -Hltn sport = :2377").out == ""
