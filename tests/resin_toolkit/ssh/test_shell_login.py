"""Host keys, authentication, jump hosts, and servers that are not SSH servers."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest
from support.left_threads import no_thread_is_left  # noqa: F401 - fixture
from support.ssh_servers import home_with_key, keygen, sshd  # noqa: F401 - fixtures

from resin_toolkit.device.record import Device
from resin_toolkit.errors import HostKeyChanged, LoginRefused, Refused, Unreachable
from resin_toolkit.ssh import connect
from resin_toolkit.ssh.host_keys import FILE, HostKey, forget_key, pinned_key
from resin_toolkit.state import state_folder


@contextmanager
def speaking(said: bytes, *, hold: bool = True) -> Iterator[Device]:
    """A server that sends `said` to the first client, then waits or closes."""
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


@pytest.mark.root
def test_an_additional_host_key_is_accepted_and_another_one_refused(home: Path) -> None:
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


@pytest.mark.root
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_required_key_may_be_any_of_those_that_the_server_has(home: Path, kind: str) -> None:
    for each in ("ed25519", "ecdsa", "rsa"):
        keygen(home / each, "-t", each)
    line = (home / f"{kind}.pub").read_text().split()
    required = HostKey(line[0], line[1]).fingerprint
    with sshd(home, f"HostKey {home}/ecdsa", f"HostKey {home}/rsa", key=home / "ed25519") as device:
        with connect(replace(device, host_key=required)) as shell:
            assert shell.host_key.fingerprint == required
        assert pinned_key(device) == HostKey(line[0], line[1])
        other = replace(device, host_key="SHA256:" + "a" * 43)
        with pytest.raises(
            HostKeyChanged, match=r"but SHA256:a+ is required by --host-key or RESIN_HOST_KEY"
        ):
            connect(other)


def test_login_without_a_key_is_refused(home: Path) -> None:
    with sshd(home) as device:
        (home / ".ssh" / "id_ed25519").unlink()
        with pytest.raises(LoginRefused, match="publickey"):
            connect(device)


@pytest.mark.root
def test_a_key_of_the_agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.root
def test_a_jump_host(home: Path) -> None:
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
            assert shell.run("cat", stdin=bytes(9_000_000), at_most=1 << 30).out == bytes(9_000_000)


@pytest.mark.root
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
    # pytest puts the name of a test into the environment, where a text of this length does not fit.
    ids=lambda value: str(value)[:24],
)
def test_a_server_that_is_not_ssh(said: bytes, hold: bool, cause: str) -> None:
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


class PasswordServer(paramiko.ServerInterface):
    """A server that requires the password `open`, by one method."""

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
def test_a_password_is_prompted_for(home: Path, method: str, typed: list[str], is_in: bool) -> None:
    (home / ".ssh" / "id_ed25519").unlink()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            transport = paramiko.Transport(listener.accept()[0])
            transport.add_server_key(paramiko.ECDSAKey.generate())
            transport.start_server(event=threading.Event(), server=PasswordServer(method))
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
            assert raised.value.hint == "The password is wrong."
        assert len(asked) == len(typed)
        assert "\x1b" not in "".join(asked)
        thread.join()
