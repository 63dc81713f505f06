"""Signals during a session, with real signals to this process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from resin_toolkit.emulation.interrupts import Interrupts


def send(number: signal.Signals = signal.SIGINT) -> None:
    """Send a signal to this process, whose handler runs before the next instruction."""
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def _default_handlers() -> Iterator[None]:
    """No signal is ignored, as it would be under nohup."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_first_signal_outside_of_waiting_is_only_recorded() -> None:
    with Interrupts() as interrupts:
        send()
        assert interrupts.is_pending
        assert interrupts.wait(pytest.fail, "called although a signal is pending") is None


def test_a_first_signal_ends_waiting() -> None:
    with Interrupts() as interrupts:
        timer = threading.Timer(0.1, send)
        timer.start()
        started = time.monotonic()
        assert interrupts.wait(time.sleep, 60.0) is None
        assert interrupts.is_pending
        assert time.monotonic() - started < 30.0
        timer.join()


def test_a_second_signal_raises_anywhere() -> None:
    with Interrupts() as interrupts:
        send(signal.SIGTERM)
        assert interrupts.is_pending
        with pytest.raises(KeyboardInterrupt):
            send()


def test_results_are_returned_and_handlers_restored() -> None:
    with Interrupts() as interrupts:
        assert interrupts.wait(max, 1, 2) == 2
        assert not interrupts.is_pending
        assert signal.getsignal(signal.SIGTERM) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ignored_signals_stay_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts() as interrupts:
        send(signal.SIGHUP)
        assert not interrupts.is_pending
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
