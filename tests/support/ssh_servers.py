"""A real sshd on loopback, and a home directory with a key that it accepts."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from resin_toolkit.device.record import Device


@pytest.fixture(name="home", autouse=True)
def home_with_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of the test's own, with a key and without an agent."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    keygen(folder / ".ssh" / "id_ed25519")
    return folder


def keygen(path: Path, *words: str) -> None:
    kind = () if "-t" in words else ("-t", "ed25519")
    subprocess.run(["ssh-keygen", "-q", *kind, "-N", "", *words, "-f", path], check=True)


@contextmanager
def sshd(home: Path, *options: str, key: Path | None = None) -> Iterator[Device]:
    """An SSH server on loopback that accepts the key of `home` for root."""
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
