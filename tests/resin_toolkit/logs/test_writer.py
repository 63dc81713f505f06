"""The writer's wait, and the signals that end it."""

from __future__ import annotations

import signal
import threading

from resin_toolkit.logs.rendering import RenderedLines
from resin_toolkit.logs.writer import LogWriter


def wakeup_descriptor() -> int:
    found = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(found)
    return found


def rendered(text: bytes) -> RenderedLines:
    return RenderedLines(text, text.count(b"\n"), True)


def test_a_signal_wakes_the_wait_however_early_it_comes() -> None:
    """Without a descriptor, one that arrives just before `poll` waits is not noticed until the next line."""
    during: list[int] = []
    writer = LogWriter(lambda _: during.append(wakeup_descriptor()), None)
    writer.put(rendered(b"a\n"))
    writer.finish()
    writer.run()
    writer.close()
    assert during
    assert during[0] != -1
    assert wakeup_descriptor() == -1


def test_it_runs_in_another_thread_too() -> None:
    written: list[bytes] = []
    writer = LogWriter(written.append, None)
    writer.put(rendered(b"a\n"))
    writer.finish()
    thread = threading.Thread(target=writer.run)
    thread.start()
    thread.join(60)
    writer.close()
    assert written == [b"a\n"]
