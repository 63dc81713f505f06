"""`resin ssh` beside OpenSSH's ssh, on a stand-in device: a whole process, a pipe each way, and both at once.

    python tests/benchmarks/ssh.py [--mib N] [--rounds N] [--rekey SIZE] [--dropbear] [--alone]

Prints medians of alternating runs, and their ratio. Needs root. `--rekey 64M` sets RekeyLimit of the server;
`--dropbear` runs that server instead of OpenSSH's; `--alone` leaves out OpenSSH's client. Exits with 1
if a ratio is above 2, and fails if data is lost or its hash differs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from device.stand_in import StandIn, desk, stand_in
from support.resin_command import PROGRAM

BAR = 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rekey", default="")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--dropbear", action="store_true")
    arguments = parser.parse_args()
    mib = arguments.mib
    options = (f"RekeyLimit {arguments.rekey}",) if arguments.rekey else ()
    with (
        desk() as table,
        stand_in(
            table, engine=False, announces=False, ssh_options=options, dropbear=arguments.dropbear
        ) as device,
    ):
        ssh = [*table.prefix, "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]
        ssh += [
            "-o",
            f"UserKnownHostsFile={table.home}/known",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "HostKeyAlgorithms=+ssh-rsa",
        ]
        ssh += ["-p", str(device.ssh_port), f"root@{device.address}"]
        if arguments.alone:
            ssh = []
        resin = [*table.prefix, str(PROGRAM), "ssh", device.address, "--"]
        size = mib << 20
        rows: list[tuple[str, int, Callable[[list[str]], None]]] = [
            ("true", max(arguments.rounds, 11), lambda words: _run(device, [*words, "true"])),
            (
                f"{mib} MiB from the device",
                arguments.rounds,
                lambda words: _down(device, words, size),
            ),
            (f"{mib} MiB to the device", arguments.rounds, lambda words: _up(device, words, size)),
            (
                f"{mib} MiB to it and back",
                arguments.rounds,
                lambda words: _echo(device, words, size),
            ),
        ]
        return max([_row(name, rounds, ssh, resin, act) for name, rounds, act in rows])


def _row(name: str, rounds: int, ssh: list[str], resin: list[str], act: Callable[[list[str]], None]) -> int:
    times: dict[str, list[float]] = {"ssh": [], "resin": []}
    for _ in range(rounds):
        for who, words in (("ssh", ssh), ("resin", resin)):
            if not words:
                continue
            begin = time.monotonic()
            act(words)
            times[who].append(time.monotonic() - begin)
    ours, theirs = median(times["resin"]), median(times["ssh"] or times["resin"])
    if not times["ssh"]:
        print(f"{name}: resin {ours:.3f} s, {rounds} times", flush=True)
        return 0
    print(
        f"{name}: resin {ours:.3f} s, ssh {theirs:.3f} s, ratio {ours / theirs:.2f} (bar {BAR:g})", flush=True
    )
    return int(ours / theirs > BAR)


def _run(device: StandIn, words: list[str], stdin: int = subprocess.DEVNULL) -> bytes:
    done = subprocess.run(
        words, stdin=stdin, stdout=subprocess.PIPE, env=device.desk.environment, timeout=280, check=True
    )
    return done.stdout


def _down(device: StandIn, words: list[str], size: int) -> None:
    with subprocess.Popen(
        [*words, f"head -c {size} /dev/zero"], stdout=subprocess.PIPE, env=device.desk.environment
    ) as from_device:
        assert int(_run(device, ["wc", "-c"], from_device.stdout.fileno())) == size  # type: ignore[union-attr]
    assert from_device.returncode == 0


def _up(device: StandIn, words: list[str], size: int) -> None:
    with subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE) as to_device:
        assert int(_run(device, [*words, "wc -c"], to_device.stdout.fileno())) == size  # type: ignore[union-attr]


def _echo(device: StandIn, words: list[str], size: int) -> None:
    """Random blocks, numbered, that the device sends back while more are sent to it."""
    block = os.urandom((1 << 20) - 4)
    sent, received = hashlib.sha256(), hashlib.sha256()
    with subprocess.Popen(
        [*words, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=device.desk.environment
    ) as running:

        def send() -> None:
            for number in range(size >> 20):
                data = number.to_bytes(4, "big") + block
                sent.update(data)
                running.stdin.write(data)  # type: ignore[union-attr]
            running.stdin.close()  # type: ignore[union-attr]

        sender = threading.Thread(target=send)
        sender.start()
        while data := running.stdout.read(1 << 20):  # type: ignore[union-attr]
            received.update(data)
        sender.join()
    assert running.returncode == 0
    assert sent.digest() == received.digest()


if __name__ == "__main__":
    sys.exit(main())
