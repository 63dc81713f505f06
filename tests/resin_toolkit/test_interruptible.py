"""Waits of the main thread end for a signal that does not interrupt them, as one that comes just before."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest

from image_tools.flash.pipeline import Channel
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
from resin_toolkit.interruptible import wait_for_descriptors
from resin_toolkit.reach.serial_line import SerialLine
from resin_toolkit.ssh.channels import CommandChannel

READING, WRITING = os.pipe()


def receive_from_engine() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        DeadlineSocket(ours).recv(1)


WAITS: dict[str, Callable[[], object]] = {
    "a serial line": lambda: SerialLine(READING, int, "/dev/ttyUSB0").read(),
    "a command over SSH": lambda: CommandChannel(0).read_output(),
    "an engine": receive_from_engine,
    "a flash": lambda: Channel[int]().get(),
    "descriptors": lambda: wait_for_descriptors([READING]),
}


@pytest.mark.parametrize("what", WAITS)
def test_a_signal_that_does_not_interrupt_the_wait_is_noticed(what: str) -> None:
    def interrupt() -> None:
        time.sleep(0.1)
        # Delivered to this thread, it is noted for the main thread without waking it.
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        WAITS[what]()
    thread.join()


def test_descriptors_that_are_ready() -> None:
    os.write(WRITING, b"x")
    assert wait_for_descriptors([READING]) == {READING}
    assert os.read(READING, 1) == b"x"
    assert wait_for_descriptors([READING], [WRITING]) == {WRITING}
    os.close(READING)
    os.close(WRITING)
