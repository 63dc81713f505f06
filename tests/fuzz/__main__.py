"""Fuzz readers of untrusted input: `tests/fuzz/run [--hours N | --runs N] [TARGET...]`.

Each target runs in a process of its own, guided by coverage (atheris, libFuzzer), with a limit of memory and
of time for an input. The targets take turns, and their turns grow, so that a run can be ended at any time.
The corpus is tests/fuzz/corpus; an input that fails is written to the folder of `--failures` and belongs into
tests/fuzz/found/TARGET once it is understood.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz.mutation import LONGEST, corpus, dictionary_path
from fuzz.targets import TARGETS

FOLDER = Path(__file__).parent
_MEMORY = 600
"""MiB; atheris and the instrumentation take about half of it."""
_SLOWEST = 15
"""Seconds for an input; instrumented code takes about ten times as long."""
_FIRST_TURN, _LONGEST_TURN = 30.0, 600.0
"""Seconds."""
_RUNS = re.compile(r"^stat::number_of_executed_units: (\d+)$", re.MULTILINE)


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["image_tools", "resin_toolkit"]):
        from fuzz import targets

        # Modules that are imported late are instrumented too.
        for data in corpus(name):
            targets.run(name, data, _SLOWEST)

    def once(data: bytes) -> None:
        targets.run(name, data, _SLOWEST)

    atheris.Setup([name, *arguments], once)
    atheris.Fuzz()


def _take_turn(name: str, options: argparse.Namespace, seed: int, seconds: float) -> tuple[bool, int]:
    """Whether a target failed in its turn, and the number of its inputs."""
    command = [sys.executable, "-m", "fuzz.one", name, f"-seed={seed}", f"-timeout={_SLOWEST}"]
    command += [f"-rss_limit_mb={_MEMORY}", f"-max_len={LONGEST}", "-len_control=20", "-print_final_stats=1"]
    command += [f"-artifact_prefix={options.failures}/{name}-"]
    command.append(f"-runs={options.runs}" if options.runs else f"-max_total_time={round(seconds)}")
    if dictionary_path(name).is_file():
        command.append(f"-dict={dictionary_path(name)}")
    # libFuzzer adds to the first folder.
    grown = options.grown / name
    grown.mkdir(parents=True, exist_ok=True)
    folders = [grown, FOLDER / "corpus" / name, FOLDER / "found" / name]
    command += [str(folder) for folder in folders if folder.is_dir()]
    ended = subprocess.run(
        command, cwd=FOLDER.parent, stderr=subprocess.PIPE, text=True, errors="replace", check=False
    )
    runs = _RUNS.search(ended.stderr)
    if ended.returncode:
        print(ended.stderr[-4000:], flush=True)
    return bool(ended.returncode), int(runs[1]) if runs else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/fuzz/run", description="Fuzz readers of untrusted input.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"default: all of {', '.join(TARGETS)}")
    parser.add_argument("--hours", type=float, default=1.0, help="hours for all targets (default: 1)")
    parser.add_argument("--runs", type=int, help="number of inputs for each target, instead of a time")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random numbers (default: 1)")
    temporary = Path(tempfile.gettempdir())
    parser.add_argument("--failures", type=Path, default=temporary, help="folder for failures")
    parser.add_argument(
        "--grown",
        type=Path,
        default=temporary / "resin-fuzz",
        help="folder for inputs that reach new code, from which the next run continues",
    )
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    deadline = time.monotonic() + options.hours * 3600
    counts, failed = dict.fromkeys(names, 0), set()
    seed, turn = options.seed, min(_FIRST_TURN, options.hours * 3600 / len(names))
    while True:
        for name in names:
            has_failed, runs = _take_turn(name, options, seed, turn)
            counts[name] += runs
            if has_failed:
                failed.add(name)
            print(f"{name}: {'failed' if has_failed else f'{counts[name]} inputs'}", flush=True)
        seed += 1
        turn = min(2 * turn, _LONGEST_TURN, (deadline - time.monotonic()) / len(names))
        if options.runs or turn < 1:
            break
    print(f"failed: {', '.join(sorted(failed))}" if failed else "no failures")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
