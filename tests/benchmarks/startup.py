"""CPU time of whole processes, as multiples of `python3 -c pass` with the same interpreter.

    python tests/benchmarks/startup.py [--runs N] [--folder DIR]

The runs take turns, and the medians of user plus system time are compared. Bars: `--version` 6, `--help` 10,
TAB on a verb 8, on one of 200 devices that were seen 12, `configure` with Wi-Fi and host name 15, with
everything at once 16. `configure` on a 200 MB and on a 4 GB image lie within 10 % of each other, with a peak
memory of at most 60 MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MIB = 1024 * 1024
RESIN = str(Path(sys.executable).with_name("resin"))
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
SEEN = 200
NEARNESS = 0.10
MEMORY = 60 * MIB
EVERYTHING = tuple(
    shlex.split(
        "--ethernet --cellular internet --gsm-username me --proxy socks5://10.0.0.1:1080 "
        "--no-proxy 10.0.0.0/8 --country DE --persistent-logging --development-mode --ntp ntp.example.org "
        "--dns-servers 10.0.0.1 "
        "--set os.network.connectivity.interval=0 --set mine.deep=1 --unset nothing --priority 4"
    )
)
CONFIG = b'{"deviceType": "raspberrypi3", "hostname": "before"}'


@dataclass(frozen=True)
class Contender:
    name: str
    words: tuple[str, ...]
    bar: float | None = None
    environment: Mapping[str, str] | None = None
    said: bytes = b""
    """What has to be in its output."""


@dataclass
class Use:
    """What one process used: seconds of CPU, bytes of memory at its peak."""

    cpu: float
    memory: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--folder", help="where the sparse images are made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder or "/var/tmp") as name:
        folder = Path(name)
        small = make_image(folder / "small.img", 200)
        large = make_image(folder / "large.img", 4096)
        full = make_image(folder / "full.img", 200)
        secret = folder / "passphrase"
        secret.write_text("correct horse battery\n")
        (folder / "resin").mkdir()
        (folder / "resin" / "devices.json").write_text(
            json.dumps({f"board-{n}.local": seen(n) for n in range(SEEN)})
        )
        contenders = [
            Contender("python3 -c pass", (sys.executable, "-c", "pass")),
            Contender("--version", (RESIN, "--version"), 6),
            Contender("--help", (RESIN, "--help"), 10),
            Contender("TAB on a verb", (RESIN,), 8, tab("resin fl", folder), b"flash\n"),
            Contender(
                "TAB on an option", (RESIN,), None, tab("resin configure x --ho", folder), b"--hostname"
            ),
            Contender("TAB on a device", (RESIN,), 12, tab("resin ps board-1", folder), b"board-199\n"),
            Contender("configure, 200 MB", configure(small, secret), 15),
            Contender("configure, 4 GB", configure(large, secret), 15),
            Contender("configure everything", configure(full, secret) + EVERYTHING, 16),
        ]
        uses = measure(contenders, options.runs, (small, large, full))
    return 0 if judge(contenders, uses) else 1


def tab(line: str, state: Path) -> dict[str, str]:
    """What the script for bash gives at TAB."""
    return {"_RESIN_COMPLETE": "complete_bash", "_RESIN_LINE": line, "XDG_STATE_HOME": str(state)}


def seen(number: int) -> dict[str, object]:
    """What is remembered of a device."""
    return {
        "addresses": [f"192.168.1.{number}", f"fe80::{number}%eth0"],
        "engine_id": "ID" * 20,
        "host_key": "SHA256:" + "k" * 43,
        "at": f"2026-11-24T10:00:{number % 60:02}+00:00",
    }


def configure(image: Path, secret: Path) -> tuple[str, ...]:
    return (
        RESIN, "configure", str(image), "--hostname", "kitchen", "--wifi", "--ssid", "Home",
        "--passphrase-file", str(secret), "--no-input",
    )  # fmt: skip


def measure(contenders: list[Contender], runs: int, images: tuple[Path, ...]) -> dict[str, list[Use]]:
    uses: dict[str, list[Use]] = {contender.name: [] for contender in contenders}
    for turn in range(runs + 1):
        for image in images:
            reset(image)
        for contender in contenders:
            use = used_by(contender)
            if turn:  # the first turn only warms up
                uses[contender.name].append(use)
    return uses


def used_by(contender: Contender) -> Use:
    environment = {**os.environ, "PATH": PATH, **(contender.environment or {})}
    process = subprocess.Popen(
        contender.words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(contender.words)}: {process.returncode}\n{said.decode()}")
    if contender.said not in said:
        sys.exit(f"{contender.name}: {said!r}")
    return Use(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def judge(contenders: list[Contender], uses: dict[str, list[Use]]) -> bool:
    cpu = {name: median(use.cpu for use in found) for name, found in uses.items()}
    memory = {name: max(use.memory for use in found) for name, found in uses.items()}
    base = cpu[contenders[0].name]
    good = True
    for contender in contenders:
        times = cpu[contender.name] / base
        verdict = ""
        if contender.bar is not None:
            kept = times <= contender.bar
            good &= kept
            verdict = f"at most {contender.bar:g}: {'good' if kept else 'MISSED'}"
        print(
            f"{contender.name:<18} {cpu[contender.name] * 1000:6.0f} ms CPU {times:6.1f} x"
            f" {memory[contender.name] / MIB:6.1f} MiB  {verdict}"
        )
    small, large = cpu["configure, 200 MB"], cpu["configure, 4 GB"]
    near = abs(large / small - 1) <= NEARNESS
    print(f"4 GB / 200 MB      {large / small:.3f}, within {NEARNESS:.0%}: {'good' if near else 'MISSED'}")
    peak = max(memory["configure, 200 MB"], memory["configure, 4 GB"])
    light = peak <= MEMORY
    print(
        f"peak memory        {peak / MIB:.1f} MiB, at most {MEMORY // MIB}: {'good' if light else 'MISSED'}"
    )
    return good and near and light


def make_image(path: Path, mib: int) -> Path:
    """A sparse image of the usual layout: a 40 MiB boot partition, the rest for the others."""
    with path.open("wb") as file:
        file.truncate(mib * MIB)
    table = b"label: dos\nstart=8192, size=81920, type=c, bootable\nstart=90112, type=83\n"
    run("sfdisk", "-q", str(path), data=table)
    run("mkfs.fat", "-F", "16", "-n", "resin-boot", "--offset", "8192", str(path), "40960")
    run("mmd", "-i", f"{path}@@4M", "::/system-connections")
    reset(path)
    return path


def reset(image: Path) -> None:
    """The boot partition as it was before the last run, so that each run has the same to do."""
    at = f"{image}@@4M"
    run("mcopy", "-n", "-D", "o", "-i", at, "-", "::/config.json", data=CONFIG)
    run("mdel", "-i", at, "::/system-connections/*", check=False)


def run(*words: str, data: bytes | None = None, check: bool = True) -> None:
    environment = {**os.environ, "PATH": PATH}
    done = subprocess.run(words, input=data, capture_output=True, env=environment, check=False)
    if check and done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout.decode()}{done.stderr.decode()}")


if __name__ == "__main__":
    sys.exit(main())
