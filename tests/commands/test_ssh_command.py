"""`resin ssh`, `reboot` and `reset`, on devices of the desk, beside what OpenSSH does."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from device.desk import wait_for
from device.stand_in import Desk, StandIn, desk, stand_in
from support.resin_command import PROGRAM

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(scope="module")
def kitchen(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "kitchen", engine_port=None) as device:
        # That its key is new has been said.
        raw(device, "--", "true")
        yield device


def raw(device: StandIn, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`resin ssh` with its bytes as they are."""
    return subprocess.run(
        [*device.desk.prefix, str(PROGRAM), "ssh", device.address, *words],
        input=stdin,
        capture_output=True,
        env=device.desk.environment,
        timeout=60,
        check=False,
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def openssh(device: StandIn, command: str) -> int:
    own = ("-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no")
    own += ("-o", "UserKnownHostsFile=/dev/null", "-p", str(device.ssh_port))
    words = [*device.desk.prefix, "ssh", *own, f"root@{device.address}", command]
    return subprocess.run(words, capture_output=True, timeout=60, check=False).returncode


def test_the_key_is_pinned_once_and_a_changed_one_is_refused(table: Desk) -> None:
    with stand_in(table, "hall", engine=False, announces=False) as hall:
        first = raw(hall, "--", "hostname")
        assert (first.returncode, first.stdout) == (0, b"hall\n")
        assert b"Permanently added the host key" in first.stderr
        assert b"SHA256:" in first.stderr
        pins = table.home / "state" / "resin" / "host-keys.json"
        assert pins.stat().st_mode & 0o777 == 0o600
        assert raw(hall, "--", "true").stderr == b""
        hall.new_host_keys()
        refused = raw(hall, "--", "true")
        assert refused.returncode == 255
        assert refused.stderr.count(b"SHA256:") == 2
        assert f"resin ssh {hall.address} --forget-key".encode() in refused.stderr
        assert table.resin("reboot", hall.address, "--yes").code == 4
        assert raw(hall, "--forget-key", "--", "true").returncode == 0
        assert raw(hall, "--", "true").stderr == b""


@pytest.mark.parametrize("command", ["exit 7", "true", "kill -9 $$", "no-such-program"])
def test_the_exit_code_is_what_openssh_gives(kitchen: StandIn, command: str) -> None:
    assert raw(kitchen, "--", command).returncode == openssh(kitchen, command)


def test_bytes_are_passed_through_unchanged(kitchen: StandIn) -> None:
    data = os.urandom(3_000_000)
    done = raw(kitchen, "--", "cat; printf '\\0\\377' >&2; exit 3", stdin=data)
    assert (done.returncode, done.stdout, done.stderr) == (3, data, b"\0\xff")


def test_arguments_are_joined_and_no_terminal_is_allocated(kitchen: StandIn) -> None:
    done = raw(kitchen, "--", "echo", "a  b;", "tty")
    assert done.stdout == b"a b\nnot a tty\n"


def test_an_archive_is_piped_in(kitchen: StandIn, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    archive = subprocess.run(["tar", "c", "-C", tmp_path, "."], capture_output=True, check=True).stdout
    assert raw(kitchen, "--", "tar x -C /mnt/data", stdin=archive).returncode == 0
    assert (kitchen.folder / "data" / "file").read_bytes() == (tmp_path / "file").read_bytes()


def test_a_command_is_never_taken_for_the_device(kitchen: StandIn) -> None:
    done = kitchen.desk.resin("ssh", "--", "hostname", env={"RESIN_DEVICE": kitchen.address})
    assert (done.code, done.out) == (0, "kitchen\n")


def test_json_is_one_object_with_the_output(kitchen: StandIn) -> None:
    done = kitchen.desk.resin("ssh", kitchen.address, "--json", "--", "echo out; echo err >&2")
    assert done.data == {"exit_code": 0, "stdout": "out\n", "stderr": "err\n"}
    assert kitchen.desk.resin("ssh", kitchen.address, "--json").code == 2


def test_a_closed_pipe_ends_the_command_silently(kitchen: StandIn) -> None:
    line = f"'{PROGRAM}' ssh {kitchen.address} -- yes | head -1; echo ${{PIPESTATUS[0]}}"
    words = [*kitchen.desk.prefix, "bash", "-c", line]
    done = subprocess.run(
        words, env=kitchen.desk.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("y\n0\n", "")


def test_a_terminal(kitchen: StandIn) -> None:
    shell = kitchen.desk.terminal("ssh", kitchen.address, env={"TERM": "vt220"})
    shell.type("stty size; echo $TERM-$((1+1))ü\r")
    shell.until("vt220-2ü")
    shell.type("sleep 12345; echo af''ter\r")
    wait_for(lambda: "sleep 12345" in kitchen.run("ps", "-e", "-o", "args"), "the remote command")
    shell.type("\x03")
    shell.type("echo al''ive\r")
    shell.until("alive")
    shell.type("exit 5\r")
    assert shell.end() == 5


def test_an_escape_disconnects_from_a_hanging_shell(kitchen: StandIn) -> None:
    shell = kitchen.desk.terminal("ssh", kitchen.address)
    shell.type("echo re''ady; sleep 100\r")
    shell.until("ready")
    shell.type("\r~.")
    assert shell.end() == 255


def test_a_lost_connection_is_an_error(table: Desk) -> None:
    with stand_in(table, "porch", engine=False, announces=False) as porch:
        words = [*table.prefix, str(PROGRAM), "ssh", porch.address, "--", "echo up; sleep 100"]
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=table.environment
        ) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == b"up\n"
            porch.kill_sockets(porch.ssh_port)
            _, err = running.communicate(timeout=30)
        assert running.returncode == 255
        assert b"was lost" in err


def test_an_interrupt_is_sent_to_the_server(kitchen: StandIn) -> None:
    """OpenSSH does not deliver it to commands of root, and says so in its log."""
    words = [*kitchen.desk.prefix, str(PROGRAM), "ssh", kitchen.address, "--", "echo up; exec sleep 12321"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=kitchen.desk.environment
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"up\n"
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
    wait_for(lambda: "session_signal_req" in kitchen.log("ssh"), "the request in the log of sshd")


def test_a_production_device_accepts_a_key(table: Desk) -> None:
    with stand_in(table, "factory", production=True) as factory:
        refused = raw(factory, "--", "true")
        assert refused.returncode == 255
        assert b"refuses the login of root (methods: publickey" in refused.stderr
        keys = table.home / ".ssh"
        keys.mkdir(mode=0o700, exist_ok=True)
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret words", "-f", keys / "id_ed25519"]
        subprocess.run(words, check=True)
        factory.authorize((keys / "id_ed25519.pub").read_text())
        shell = table.terminal("ssh", factory.address, "--", "hostname")
        shell.until("Passphrase for")
        shell.type("secret words\r")
        shell.until("factory\r\n")
        assert shell.end() == 0
        assert "secret" not in shell.screen
        subprocess.run(
            ["ssh-keygen", "-q", "-p", "-P", "secret words", "-N", "", "-f", keys / "id_ed25519"], check=True
        )
        assert raw(factory, "--", "hostname").stdout == b"factory\n"


def test_an_old_device(table: Desk) -> None:
    with stand_in(table, "attic", old_algorithms=True, engine=False, announces=False) as attic:
        assert raw(attic, "--", "cat", stdin=bytes(100_000)).stdout == bytes(100_000)


def test_reboot(table: Desk) -> None:
    with stand_in(table, "shed", engine=False, announces=False) as shed:
        assert table.resin("reboot", shed.address).code == 4
        done = table.resin("reboot", shed.address, "--yes", "--wait", "--json")
        assert done.data["back"] is True
        assert raw(shed, "--", "hostname").stdout == b"shed\n"


def test_reboot_wait_returns_when_the_engine_is_up(table: Desk) -> None:
    with stand_in(table, "loft", announces=False) as loft:
        assert table.resin("reboot", loft.address, "--yes", "--wait").code == 0
        assert table.resin("ps", f"tcp://{loft.address}:{loft.engine_port}").code == 0


def test_reset_removes_the_reported_files_only(table: Desk) -> None:
    with stand_in(table, "cellar", engine=False, announces=False) as cellar:
        cellar.run("sh", "-c", "touch /mnt/state/mine /mnt/data/mine")
        assert table.resin("reset", cellar.address).code == 4
        before = cellar.pid
        shown = table.terminal("reset", cellar.address)
        shown.until("to reset it")
        shown.type("something\r")
        shown.until("That is not")
        shown.type(f"{cellar.address}\r")
        assert shown.end() == 0, shown.screen
        assert "Its stored host key was forgotten" in shown.plain
        cellar.wait_for_reboot(before)
        cellar.new_host_keys()
        assert raw(cellar, "--", "true").returncode == 0
        assert "mine" not in names(cellar.folder / "state")
        assert "mine" in names(cellar.folder / "data")


def test_a_device_without_a_reset_is_an_error(table: Desk) -> None:
    with stand_in(table, "loft", engine=False, announces=False) as loft:
        loft.run("sh", "-c", "rm /mnt/data/remove_me_to_reset")
        done = table.resin("reset", loft.address, "--data", "--yes")
        assert done.code == 1
        assert "nothing was changed" in done.err
        assert "remove_me_to_reset" in names(loft.folder / "state")


def test_reset_with_data(table: Desk) -> None:
    with stand_in(table, "barn", announces=False) as barn:
        barn.start("web", "sleep 1000", restart="always")
        barn.run("sh", "-c", "touch /mnt/state/mine /mnt/data/mine")
        before = barn.pid
        done = table.resin("reset", barn.address, "--data", "--yes", "--json")
        assert done.code == 0, done
        file = "remove_me_to_reset"
        assert done.data["removed"] == [f"/mnt/state/{file}", f"/mnt/data/{file}"]
        barn.wait_for_reboot(before)
        for partition in ("state", "data"):
            assert "mine" not in names(barn.folder / partition)
            assert file in names(barn.folder / partition)
        assert barn.docker("ps", "--all", "--quiet") == ""


@pytest.mark.parametrize("partition", ["state", "data"])
def test_a_partition_that_is_not_mounted_is_an_error(table: Desk, partition: str) -> None:
    with stand_in(table, "pantry", engine=False, announces=False) as pantry:
        pantry.run("umount", "--lazy", f"/mnt/{partition}")
        done = table.resin("reset", pantry.address, "--data", "--yes", "--json")
        assert (done.code, done.error["code"]) == (1, "not-supported")
        assert f"The {partition} partition of {pantry.address} is not mounted" in done.error["message"]
        assert "nothing was changed" in done.error["message"]
        assert "remove_me_to_reset" in names(pantry.folder / "state")


def test_a_shell_and_a_command_in_a_container(kitchen: StandIn) -> None:
    kitchen.start("web", "while sleep 1; do :; done")
    done = raw(kitchen, "--service", "web", "--", "cat; echo err >&2; exit 6", stdin=b"in\0\xff")
    assert (done.returncode, done.stdout, done.stderr) == (6, b"in\0\xff", b"err\n"), done
    shell = kitchen.desk.terminal("ssh", kitchen.address, "--service", "web")
    shell.type("echo in''side; tty\r")
    shell.until("inside")
    shell.type("exit 4\r")
    assert shell.end() == 4
    missing = raw(kitchen, "--service", "nothing", "--", "true")
    assert missing.returncode == 3
    assert b"web" in missing.stderr


def test_a_port_is_forwarded_until_interrupted(kitchen: StandIn) -> None:
    words = [*kitchen.desk.prefix, str(PROGRAM), "ssh", kitchen.address, "-L", "2299:localhost:22222"]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=kitchen.desk.environment
    ) as running:
        assert running.stderr is not None
        assert b"forwards to localhost:22222" in running.stderr.readline()
        said = kitchen.desk.run("sh", "-c", "sleep 1 | nc 127.0.0.1 2299 | head -1")
        assert said.startswith("SSH-2.0-")
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
