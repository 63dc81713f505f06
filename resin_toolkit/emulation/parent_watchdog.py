"""Start QEMU and kill it when its parent process ends, however that happens; run as a program of its own.

    parent_watchdog.py PIPE PROGRAM [ARGUMENT]...

PIPE is the reading end of a pipe whose writing end only `resin` holds. This process becomes PROGRAM; a child
waits until the pipe is closed, which the kernel does even if `resin` is killed.
"""

import os
import signal
import sys


def main() -> None:
    pipe = int(sys.argv[1])
    emulator = os.getpid()
    if os.fork() == 0:
        _wait_and_kill(pipe, emulator)
    os.close(pipe)
    os.execv(sys.argv[2], sys.argv[2:])


def _wait_and_kill(pipe: int, emulator: int) -> None:
    os.dup2(pipe, 0)
    # Everything else is closed: it must not hold the image, nor the sockets that QEMU is controlled by.
    os.closerange(1, min(os.sysconf("SC_OPEN_MAX"), 1 << 20))
    os.read(0, 1)
    if os.getppid() == emulator:
        os.kill(emulator, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()
