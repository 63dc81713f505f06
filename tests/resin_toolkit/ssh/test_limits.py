"""What a hostile or hung SSH server can cost: bounded memory, and a time after which it is given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import paramiko
import pytest
from support import hostile_ssh as hostile
from support.hostile_ssh import Peer, hanging, hostile_ssh
from support.left_threads import no_thread_is_left  # noqa: F401 - fixture
from support.measured import MIB, measured
from support.resin_command import PROGRAM
from support.ssh_servers import home_with_key  # noqa: F401 - fixture

from resin_toolkit.errors import LoginRefused, Refused, Unreachable
from resin_toolkit.ssh import channels, connect
from resin_toolkit.ssh.channels import CommandChannel

MEMORY = 300 * MIB
SOON = 0.4
"""The deadlines of these tests in seconds."""


@pytest.fixture
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "version_exchange.VERSION_TIMEOUT",
        "version_exchange.HANDSHAKE_TIMEOUT",
        "authentication.LOGIN_TIMEOUT",
        "transport.ANSWER_TIMEOUT",
        "channels.ANSWER_TIMEOUT",
        "packetizer.GIVE_UP",
    ):
        monkeypatch.setattr(f"resin_toolkit.ssh.{name}", SOON if "VERSION" not in name else SOON / 2)


def broken(attack: Callable[[Peer], object], command: str = "true") -> Unreachable:
    """The error when a command is run on such a server."""
    with hostile_ssh(attack) as device, pytest.raises(Unreachable) as raised, connect(device) as shell:
        shell.run(command, within=20, at_most=1 << 30)
    return raised.value


def after_command(attack: Callable[[Peer, paramiko.Channel], object]) -> Callable[[Peer], object]:
    """An attack on a client that has started a command."""

    def whole(peer: Peer) -> None:
        peer.start()
        attack(peer, peer.channel())

    return whole


@pytest.mark.usefixtures("short_deadlines")
@pytest.mark.parametrize("phase", hostile.PHASES)
def test_a_server_that_answers_anything_but_the_request_is_given_up(phase: str) -> None:
    began = time.monotonic()
    error = broken(hanging(phase))
    assert error.facts["cause"] == "no-answer"
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("short_deadlines")
def test_a_version_that_comes_byte_by_byte_is_given_up() -> None:
    def drip(peer: Peer) -> None:
        with suppress(OSError):
            while True:
                peer.connection.sendall(b"x")
                time.sleep(0.02)

    assert broken(drip).facts["cause"] in ("no-answer", "not-ssh")


@pytest.mark.usefixtures("short_deadlines")
def test_a_packet_that_comes_byte_by_byte_ends_the_connection() -> None:
    def drip(peer: Peer, channel: paramiko.Channel) -> None:  # noqa: ARG001
        peer.connection.sendall(bytes.fromhex("00008000"))
        while peer.is_connected():
            peer.connection.sendall(b"x")
            time.sleep(0.02)

    assert "does not complete a packet" in broken(after_command(drip)).message


@pytest.mark.usefixtures("short_deadlines")
def test_a_key_exchange_that_never_ends_ends_the_connection() -> None:
    def exchange(peer: Peer) -> None:
        seen: set[int] = set()
        peer.start(silent_about=seen)
        peer.channel()
        seen |= {hostile.KEX_INIT, 20}
        peer.transport._send_kex_init()
        peer.make_noise()

    assert broken(exchange).facts["cause"] == "lost"


def test_key_exchanges_without_end_end_the_connection() -> None:
    def exchange(peer: Peer, channel: paramiko.Channel) -> None:  # noqa: ARG001
        while peer.is_connected():
            if peer.transport.clear_to_send.is_set():
                peer.transport._send_kex_init()
            peer.transport.join(0.01)

    assert "exchanges keys again and again" in broken(after_command(exchange)).message


@pytest.mark.usefixtures("short_deadlines")
def test_a_server_that_does_not_read_is_given_up() -> None:
    gone = threading.Event()

    def stop_reading(peer: Peer, channel: paramiko.Channel) -> None:
        read = peer.transport.packetizer.read_message
        peer.transport.packetizer.read_message = lambda: (gone.wait(30), read())[1]
        peer.send(hostile.WINDOW_ADJUST, channel.remote_chanid, 1 << 30)
        gone.wait(30)

    with hostile_ssh(after_command(stop_reading)) as device, connect(device) as shell:
        remote = shell.start("cat")
        with pytest.raises(Unreachable):
            remote.sendall(bytes(1 << 26))
        with pytest.raises(Unreachable):
            remote.exit_code()
        gone.set()


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ((hostile.EXT_INFO, 4_000_000_000), "4000000000 extensions"),
        ((hostile.AUTH_FAILURE, b"password", False), "login that was not requested"),
        ((hostile.SERVICE_ACCEPT, b"ssh-userauth"), "login that was not requested"),
        ((hostile.INFO_REQUEST, b"", b"", b"", 0), "login that was not requested"),
        ((hostile.WINDOW_ADJUST, 0, 0xFFFFFFFF), "window of more than 4 GiB"),
    ],
)
def test_a_message_that_no_server_sends_ends_the_connection(
    message: tuple[int, bytes | int | bool], named: str
) -> None:
    def send(peer: Peer, channel: paramiko.Channel) -> None:  # noqa: ARG001
        peer.send(*message)
        peer.make_noise()

    assert named in broken(after_command(send)).message


@pytest.mark.parametrize("kind", ["x11", "forwarded-tcpip", "auth-agent@openssh.com", "session"])
def test_channels_of_the_server_are_refused(kind: str) -> None:
    refused: list[int] = []

    def open_one(peer: Peer, channel: paramiko.Channel) -> None:
        try:
            peer.transport.open_channel(kind, ("127.0.0.1", 1), ("127.0.0.1", 2), timeout=10)
        except paramiko.ChannelException as error:
            refused.append(error.code)
        channel.send_exit_status(7)
        channel.close()
        peer.transport.join(10)

    with hostile_ssh(after_command(open_one)) as device, connect(device) as shell:
        assert shell.run("true").code == 7
    assert refused == [1]


class Prompter(paramiko.ServerInterface):
    """Asks for a login with endless prompts."""

    def __init__(self, prompts: int) -> None:
        self._query = paramiko.InteractiveQuery("name", "x" * 5000)
        for _ in range(prompts):
            self._query.add_prompt("y" * 20, False)

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "keyboard-interactive"

    def check_auth_interactive(self, username: str, submethods: str) -> paramiko.InteractiveQuery:  # noqa: ARG002
        return self._query

    def check_auth_interactive_response(self, responses: list[str]) -> paramiko.InteractiveQuery:  # type: ignore[override]  # noqa: ARG002
        return self._query


@pytest.mark.parametrize("prompts", [0, 1, 10_000])
def test_login_prompts_without_end_are_refused(prompts: int) -> None:
    asked: list[str] = []

    def prompt(peer: Peer) -> None:
        peer.server = Prompter(prompts)  # type: ignore[assignment]
        peer.start()
        peer.make_noise()

    def answer(question: str) -> str:
        asked.append(question)
        return "z"

    with hostile_ssh(prompt) as device, pytest.raises(Unreachable) as raised:
        connect(device, ask=answer)
    assert "prompts" in raised.value.message
    assert len(asked) <= 16


def test_a_refusal_of_a_login_is_cut() -> None:
    def refuse(peer: Peer) -> None:
        peer.server.get_allowed_auths = lambda username: ",".join(["x" * 200] * 1000)  # type: ignore[method-assign]  # noqa: ARG005
        peer.server.check_auth_none = lambda username: paramiko.AUTH_FAILED  # type: ignore[method-assign]  # noqa: ARG005
        peer.start()
        peer.make_noise()

    with hostile_ssh(refuse) as device, pytest.raises(LoginRefused) as raised:
        connect(device)
    assert len(raised.value.message) < 1500


def test_what_a_probe_reads_is_bounded() -> None:
    def talk(peer: Peer, channel: paramiko.Channel) -> None:  # noqa: ARG001
        with suppress(OSError):
            channel.sendall(bytes(8 * channels.WINDOW))

    with (
        hostile_ssh(after_command(talk)) as device,
        connect(device) as shell,
        pytest.raises(Refused, match=r"exceeds 1\.00 MiB"),
    ):
        shell.run("cat /etc/os-release")


def test_output_in_single_bytes_is_kept_in_few_pieces() -> None:
    channel = CommandChannel(0)
    for number in range(200_000):
        channel._arrive(1 + number % 2, b"ab"[number % 2 :][:1])
    pieces = channel.read_output()
    assert len(pieces) <= channels._MAX_PIECES + 2
    for stream, byte in ((1, b"a"), (2, b"b")):
        assert b"".join(data for each, data in pieces if each == stream) == byte * 100_000


@pytest.mark.parametrize("is_stderr", [False, True])
@pytest.mark.parametrize("words", [("--json",), ()])
def test_the_memory_of_a_command_on_a_flooding_server(words: tuple[str, ...], is_stderr: bool) -> None:
    def flood(peer: Peer, channel: paramiko.Channel) -> None:
        peer.flood(channel, bytes(100_000), 1 << 30, is_stderr=is_stderr)

    with hostile_ssh(after_command(flood)) as device:
        done = measured([PROGRAM, "ssh", f"ssh://root@127.0.0.1:{device.ssh_port}", *words, "--", "yes"])
    assert done.run.code in (4, 255), done.run
    assert done.peak < MEMORY
