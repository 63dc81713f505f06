"""The last lines of what a container has written, both outputs together."""

from __future__ import annotations

from resin_toolkit.engine import Engine
from resin_toolkit.engine.container_exec import Frames
from resin_toolkit.terminal.screen import clean

_MOST = 256 * 1024


def read_last_output(engine: Engine, container: str, count: int = 20) -> list[str]:
    """Up to `count` lines, printable. Raises what the engine's `logs` raises."""
    tty = engine.inspect(container).tty
    frames, text = Frames(), bytearray()
    with engine.logs(container, tail=str(count), timestamps=False) as stream:
        while data := stream.read():
            text += data if tty else b"".join(piece for _, piece in frames.take(data))
            del text[:-_MOST]
    return clean(text.decode(errors="replace")).splitlines()[-count:]
