"""The shell of a device, against a real sshd on loopback and against things that are none."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from resin_toolkit.attached import Escapes
from resin_toolkit.device import Device
from resin_toolkit.errors import BadValue, HostKeyChanged, LoginRefused, NotSupported, Refused, Unreachable
from resin_toolkit.shell import Completed, connect
from resin_toolkit.shell.config import host_of, settings_of
from resin_toolkit.shell.forwarding import Forward, forwarded, parse_forward
from resin_toolkit.shell.host_keys import FILE, forget_key, pinned_key
from resin_toolkit.state import state_folder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: sshd lets others in only as itself")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, with a key, and no agent."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    keygen(folder / ".ssh" / "id_ed25519")
    return folder


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before, threading.enumerate()


def keygen(path: Path, *words: str) -> None:
    kind = () if "-t" in words else ("-t", "ed25519")
    subprocess.run(["ssh-keygen", "-q", *kind, "-N", "", *words, "-f", path], check=True)


@contextmanager
def sshd(home: Path, *options: str, key: Path | None = None) -> Iterator[Device]:
    """An SSH server on loopback that lets root in by the key of `home`."""
    folder = home.parent / f"sshd{time.monotonic_ns()}"
    folder.mkdir()
    if key is None:
        key = folder / "host"
        keygen(key)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lines = [*options, f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {key}", f"PidFile {folder}/pid"]
    lines += ["UsePAM no", "StrictModes no", f"AuthorizedKeysFile {home}/.ssh/id_ed25519.pub"]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL
    ) as server:
        try:
            _wait_for(port)
            yield Device("127.0.0.1", ("127.0.0.1",), ssh_port=port)
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@contextmanager
def speaking(said: bytes, *, hold: bool = True) -> Iterator[Device]:
    """Something that says `said` to whoever connects, and then waits or closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20)
                try:
                    connection.sendall(said)
                    while hold and connection.recv(4096):
                        pass
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield Device("127.0.0.1", ("127.0.0.1",), ssh_port=server.getsockname()[1])
        thread.join()


@needs_root
def test_commands(home: Path) -> None:
    with sshd(home) as device, connect(device) as shell:
        assert shell.run("echo out; echo err >&2; exit 9") == Completed(9, b"out\n", b"err\n")
        assert shell.run("kill -9 $$").code == 255
        data = os.urandom(12_000_000)
        assert shell.run("cat", stdin=data).out == data
        assert shell.run("true", stdin=data).code == 0
        with pytest.raises(Unreachable, match="did not end in time: sleep"):
            shell.run("sleep 60", within=0.3)


@needs_root
def test_streams(home: Path) -> None:
    path = home.parent / "socket"
    with socket.socket(socket.AF_UNIX) as listener, sshd(home) as device, connect(device) as shell:
        listener.bind(str(path))
        listener.listen()
        stream = shell.open_unix_socket(str(path))
        far, _ = listener.accept()
        with far:
            stream.sendall(b"there")
            assert far.recv(100) == b"there"
            far.sendall(b"and back")
            buffer = bytearray(3)
            assert stream.recv_into(buffer) == 3
            assert bytes(buffer) + stream.recv(100) == b"and back"
            stream.settimeout(0.05)
            with pytest.raises(TimeoutError):
                stream.recv(1)
            stream.shutdown(socket.SHUT_WR)
            assert far.recv(1) == b""
        stream.settimeout(10)
        assert stream.recv(1) == b""
        stream.close()
        with pytest.raises(NotSupported):
            shell.open_unix_socket("/nothing/here")
        command = shell.open_command("cat")
        command.sendall(b"round")
        assert command.recv(100) == b"round"
        command.close()


@needs_root
@pytest.mark.parametrize("limit", ["1M", "default"])
def test_new_keys_while_both_ways_are_busy(home: Path, limit: str) -> None:
    """The server asks for new keys again and again, and so do we, while data goes both ways."""
    (home / ".ssh" / "config").write_text("Host 127.0.0.1\n  RekeyLimit 2M\n" if limit == "default" else "")
    data = os.urandom(1 << 20) * 48
    with sshd(home, f"RekeyLimit {limit}") as device, connect(device) as shell:
        assert shell.run("cat", stdin=data, within=120).out == data
        assert shell.run("echo still").out == b"still\n"


@needs_root
@pytest.mark.parametrize(
    ("ciphers", "macs"),
    [
        ("aes256-gcm@openssh.com", "hmac-sha2-256"),
        ("aes128-ctr", "hmac-sha2-256-etm@openssh.com"),
        ("aes192-ctr", "hmac-sha1"),
        ("aes256-cbc", "hmac-sha2-512"),
        ("3des-cbc", "hmac-md5"),
    ],
)
def test_every_way_to_seal_a_packet(home: Path, ciphers: str, macs: str) -> None:
    data = os.urandom(3_000_000)
    options = (f"Ciphers {ciphers}", f"MACs {macs}", "RekeyLimit 1M")
    with sshd(home, *options) as device, connect(device) as shell:
        assert shell.run("cat", stdin=data, within=60).out == data


@needs_root
def test_another_key_of_the_same_device_is_no_alarm(home: Path) -> None:
    keygen(home / "rsa", "-t", "rsa", "-b", "2048")
    keygen(home / "ed")
    with sshd(home, key=home / "rsa") as device:
        told: list[str] = []
        connect(device, tell=told.append).close()
        assert len(told) == 1
        pinned = pinned_key(device)
        assert pinned is not None
        assert pinned.type == "ssh-rsa"
        assert pinned.fingerprint in told[0]
    with sshd(home, f"Port {device.ssh_port}", f"HostKey {home}/rsa", key=home / "ed"):
        connect(device, tell=told.append).close()
    assert len(told) == 1
    with sshd(home, f"Port {device.ssh_port}", key=home / "ed"):
        with pytest.raises(HostKeyChanged) as raised:
            connect(device)
        assert pinned.fingerprint in raised.value.message
        assert "--forget-key" in raised.value.hint
        assert forget_key(device) == pinned
        connect(device).close()
    assert (state_folder() / FILE).stat().st_mode & 0o777 == 0o600


@needs_root
def test_nobody_is_let_in_without_a_key(home: Path) -> None:
    with sshd(home) as device:
        (home / ".ssh" / "id_ed25519").unlink()
        with pytest.raises(LoginRefused, match="publickey"):
            connect(device)


@needs_root
def test_the_agents_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home.parent / "agent"
    with (
        subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as agent,
        sshd(home) as device,
    ):
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        while not path.exists():
            time.sleep(0.02)
        key = home / ".ssh" / "id_ed25519"
        subprocess.run(["ssh-add", "-q", key], check=True)
        key.unlink()
        with connect(device) as shell:
            assert shell.run("echo in").out == b"in\n"
        agent.terminate()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "nobody"))
    with sshd(home) as device, pytest.raises(LoginRefused):
        connect(device)


@needs_root
def test_through_another_host(home: Path) -> None:
    with sshd(home) as hop, sshd(home) as device:
        config = f"Host 127.0.0.1\n  ProxyJump root@localhost:{hop.ssh_port}\n"
        (home / ".ssh" / "config").write_text(
            config + "Host localhost\n  HostName 127.0.0.1\n  ProxyJump none\n"
        )
        with pytest.raises(Refused, match=r"not in ~/\.ssh/known_hosts"):
            connect(device)
        scanned = subprocess.run(
            ["ssh-keyscan", "-H", "-p", str(hop.ssh_port), "127.0.0.1"], capture_output=True, check=True
        )
        (home / ".ssh" / "known_hosts").write_bytes(scanned.stdout)
        with connect(device) as shell:
            assert shell.run("cat", stdin=bytes(9_000_000)).out == bytes(9_000_000)


@needs_root
def test_a_port_that_leads_there(home: Path) -> None:
    with sshd(home) as device, connect(device) as shell, socket.create_server(("127.0.0.1", 0)) as there:
        warned: list[str] = []
        ports = [Forward("127.0.0.1", 0, "127.0.0.1", port) for port in (there.getsockname()[1], 1)]
        with forwarded(shell, ports, warned.append) as at:
            near = socket.create_connection(at[0])
            far, _ = there.accept()
            with near, far:
                near.sendall(b"over")
                assert far.recv(100) == b"over"
                far.sendall(b"back")
                far.shutdown(socket.SHUT_WR)
                assert near.recv(100) == b"back"
                assert near.recv(100) == b""
            with socket.create_connection(at[1]) as refused:
                assert refused.recv(1) == b""
            left_open = socket.create_connection(at[0])
        left_open.close()
        assert len(warned) == 1


@needs_root
def test_no_algorithms_in_common(home: Path) -> None:
    with sshd(home, "Ciphers chacha20-poly1305@openssh.com") as device:
        with pytest.raises(Unreachable, match=r"no cipher in common: it offers chacha20") as raised:
            connect(device)
        assert raised.value.facts["cause"] == "algorithms"


@pytest.mark.parametrize(
    ("said", "hold", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, "not-ssh"),
        (b"\x15\x03\x01\x00\x02\x02\x46", True, "not-ssh"),
        (b"x" * 200_000, True, "not-ssh"),
        (b"hello\r\n", False, "not-ssh"),
        (b"", False, "refused"),
        (b"", True, "no-answer"),
        (b"SSH-1.5-old\r\n", True, "algorithms"),
        (b"SSH-2.0-odd\r\n" + b"\xff" * 64, True, "refused"),
        (b"SSH-2.0-odd\r\n", False, "refused"),
        (b"Not allowed at this time\r\n", False, "refused"),
        (b"Exceeded MaxStartups\r\n", False, "refused"),
    ],
)
def test_what_is_no_ssh_server(said: bytes, hold: bool, cause: str) -> None:
    with speaking(said, hold=hold) as device:
        with pytest.raises(Unreachable) as raised:
            connect(device)
        assert raised.value.facts["cause"] == cause


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable) as raised:
        connect(Device("127.0.0.1", ("127.0.0.1",), ssh_port=port))
    assert raised.value.facts["cause"] == "refused"


def test_the_configuration(home: Path) -> None:
    (home / ".ssh" / "config.d").mkdir()
    (home / ".ssh" / "config.d" / "lab").write_text(
        "Host lab* !lab9\n  User pi\n  Port 2200\n  HostName 10.0.0.7\n"
    )
    text = "Include config.d/*\nHost *\n  User alice\n  IdentityFile ~/.ssh/mine\n  IdentitiesOnly yes\n"
    (home / ".ssh" / "config").write_text(text)
    lab = host_of("lab1")
    assert lab is not None
    assert (lab.host, lab.user, lab.port) == ("10.0.0.7", "pi", 2200)
    assert host_of("lab9") is None
    assert host_of("kitchen.local") is None
    kitchen = settings_of("kitchen.local")
    assert (kitchen.user, kitchen.identity_files, kitchen.identities_only) == (
        None,
        (home / ".ssh" / "mine",),
        True,
    )


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("8080:localhost:80", Forward("127.0.0.1", 8080, "localhost", 80)),
        ("*:1:a.b:2", Forward("", 1, "a.b", 2)),
        ("[::1]:1:[fe80::1]:2", Forward("::1", 1, "fe80::1", 2)),
    ],
)
def test_forwards(word: str, meaning: Forward) -> None:
    assert parse_forward(word) == meaning


@pytest.mark.parametrize(
    "word", ["", "80", "80:host", "x:host:1", "1:host:0", "99999:host:1", "1:host:99999"]
)
def test_what_is_no_forward(word: str) -> None:
    with pytest.raises(BadValue):
        parse_forward(word)


@pytest.mark.parametrize(
    ("typed", "through", "leaves"),
    [
        ([b"~."], b"", True),
        ([b"ls~.\r"], b"ls~.\r", False),
        ([b"ls\r", b"~", b"."], b"ls\r", True),
        ([b"\r~~."], b"\r~.", False),
        ([b"\r~x"], b"\r~x", False),
    ],
)
def test_escapes(typed: list[bytes], through: bytes, leaves: bool) -> None:
    escapes = Escapes()
    taken = [escapes.take(keys) for keys in typed]
    assert b"".join(data for data, _ in taken) == through
    assert any(left for _, left in taken) == leaves


class Asking(paramiko.ServerInterface):
    """A server that asks for a password, by the method of its choice; the right one is `open`."""

    def __init__(self, method: str) -> None:
        self.method = method

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return self.method

    def check_auth_none(self, username: str) -> int:  # noqa: ARG002
        return paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:  # noqa: ARG002
        return paramiko.AUTH_SUCCESSFUL if password == "open" else paramiko.AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> paramiko.InteractiveQuery:  # noqa: ARG002
        return paramiko.InteractiveQuery("", "", ("Co\x1b[2Jde: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return paramiko.AUTH_SUCCESSFUL if responses == ["open"] else paramiko.AUTH_FAILED


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
@pytest.mark.parametrize(("typed", "is_in"), [(["no", "open"], True), (["no", "no", "no"], False)])
def test_a_password_is_asked_for(home: Path, method: str, typed: list[str], is_in: bool) -> None:
    (home / ".ssh" / "id_ed25519").unlink()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            transport = paramiko.Transport(listener.accept()[0])
            transport.add_server_key(paramiko.ECDSAKey.generate())
            transport.start_server(event=threading.Event(), server=Asking(method))
            transport.join(30)

        thread = threading.Thread(target=serve)
        thread.start()
        device = Device("127.0.0.1", ("127.0.0.1",), ssh_port=listener.getsockname()[1])
        asked: list[str] = []

        def ask(question: str) -> str:
            asked.append(question)
            return typed[len(asked) - 1]

        if is_in:
            connect(device, ask=ask).close()
        else:
            with pytest.raises(LoginRefused) as raised:
                connect(device, ask=ask)
            assert raised.value.hint == "What was typed is not its password."
        assert len(asked) == len(typed)
        assert "\x1b" not in "".join(asked)
        thread.join()
