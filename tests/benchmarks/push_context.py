"""What `resin push` takes to begin to send a folder of 20,000 files and 200 MB of which the rules drop most.

    python tests/benchmarks/push_context.py [--runs N] [--files N] [--size MB]

The bar is 1 s from the start of the program to the first byte, and 100 MiB of memory, beside the docker
clients of this machine, which send the same folder to the same server on loopback. (The memory is at least
that of this program, which the others are started from.) Where a `!` has a wildcard, this builder of Docker
sends less: it does not look below what is left out. Then the folder with no rules: the time to the last
byte; and the hash of an unchanged folder, which is asked for before anything is sent.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.sent_contexts import BuildServer, build_server, docker_programs

FIRST, MEMORY = 1.0, 100.0
KEPT = 50
OURS = """
import http.client, sys
from pathlib import Path
from resin_toolkit.project.compression import compress_if_faster
from resin_toolkit.project.context import BuildContext
from resin_toolkit.project.ignore import read_ignore_rules

root = Path(sys.argv[2])
context = BuildContext(root, rules=read_ignore_rules(root))
engine = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
body = compress_if_faster(context.stream(), float(sys.argv[3]))
engine.request("POST", "/build", body, encode_chunked=True,
               headers={"Transfer-Encoding": "chunked"})
sys.exit(engine.getresponse().status != 200)
"""
HASH = """
import sys
from pathlib import Path
from resin_toolkit.project.context import BuildContext

root = Path(sys.argv[1])
BuildContext(root).digest(root / ".resin" / "known.json")
"""
LINK = {"resin": 1e9, "resin, gzip": 5e6}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=200)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        fill(folder, options.files, options.size * 1_000_000)
        print(f"{'':<44}{'first byte':>11}{'last byte':>11}{'memory':>13}{'sent':>11}")
        good = True
        for title, rules in {
            "all but what is named": "*\n!src\n!requirements.txt\n",
            "node_modules and .venv": "node_modules\n.venv\n",
            "one kind of file, anywhere": "*\n!**/*.py\n",
            "no rules": "",
        }.items():
            (folder / ".dockerignore").write_text(rules)
            good &= compare(title, folder, options.runs, is_held=bool(rules))
        good &= hashed(folder, options.runs)
    finally:
        shutil.rmtree(folder)
    return 0 if good else 1


def fill(folder: Path, files: int, size: int) -> None:
    """A project of a few files of its own, and the libraries that it uses."""
    (folder / "src").mkdir()
    for number in range(KEPT):
        (folder / "src" / f"{number}.py").write_text("print('hello')\n" * 100)
    (folder / "requirements.txt").write_text("requests\n")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    content = os.urandom(size // files // 2) + b"module.exports = 1;\n" * (size // files // 40)
    for number in range(files):
        top = "node_modules" if number % 2 else ".venv"
        place = folder / top / f"package-{number // 100}" / f"part-{number % 100 // 10}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.js").write_bytes(content)


def compare(title: str, folder: Path, runs: int, *, is_held: bool) -> bool:
    """The folder sent by each program; whether ours keeps to the bars."""
    good = True
    with build_server(keeps=False) as server:
        for name, rate in LINK.items():
            words = [sys.executable, "-c", OURS, str(server.port), os.fspath(folder), str(rate)]
            found = [sent(words, server) for _ in range(runs)]
            good &= shown(f"{title}, {name}", found, FIRST if is_held else None)
        for program in docker_programs():
            words = [program, "build", os.fspath(folder)]
            shown(f"{title}, {release(program)}", [sent(words, server) for _ in range(runs)], None)
    return good


Sending = tuple[float, float, float, int]
"""Seconds to the first byte and to the end of the program, its largest memory in MiB, the bytes that came."""


def sent(words: list[str], server: BuildServer) -> Sending:
    server.first_byte.clear()
    environment = {**os.environ, "DOCKER_HOST": f"tcp://127.0.0.1:{server.port}", "DOCKER_BUILDKIT": "0"}
    started = time.monotonic()
    child = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server.first_byte.wait(120)
    first = time.monotonic() - started
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{words} failed")
    return first, time.monotonic() - started, usage.ru_maxrss / 1024, server.sizes[-1]


def shown(name: str, found: list[Sending], bar: float | None) -> bool:
    """Print the medians, and the largest memory; whether the bars are kept to."""
    first, last = median(one[0] for one in found), median(one[1] for one in found)
    memory, size = max(one[2] for one in found), found[0][3]
    good = bar is None or (first <= bar and memory <= MEMORY)
    verdict = "" if bar is None else f"  at most {bar:g} s, {MEMORY:g} MiB: {'good' if good else 'MISSED'}"
    print(f"{name:<44}{first:9.3f} s{last:9.3f} s{memory:9.1f} MiB{size / 1e6:8.1f} MB{verdict}", flush=True)
    return good


def release(program: str) -> str:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return "docker " + told.stdout.split()[2].partition("+")[0].rstrip(",")


def hashed(folder: Path, runs: int) -> bool:
    """The hash of the whole folder, first with nothing known of it."""
    (folder / ".dockerignore").unlink()
    time.sleep(2.5)
    seconds = []
    for _ in range(runs + 1):
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", HASH, os.fspath(folder)], check=True)
        seconds.append(time.monotonic() - started)
    print(f"{'hash of the whole, nothing known':<44}{seconds[0]:9.3f} s")
    again = median(seconds[1:])
    print(f"{'hash of the whole, unchanged':<44}{again:9.3f} s{'':22}  at most {FIRST:g} s: ", end="")
    print("good" if again <= FIRST else "MISSED")
    return again <= FIRST


if __name__ == "__main__":
    sys.exit(main())
