"""Fuzz readers of untrusted input: `tests/fuzz/run [--seconds N | --runs N] [TARGET...]`.

Each target runs in a process of its own, guided by coverage (atheris, libFuzzer), with a limit of 300 MiB of
memory and 15 seconds for an input. The corpus is tests/fuzz/corpus; an input that fails is written to the
folder of `--failures` and belongs into tests/fuzz/found/TARGET once it is understood.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.targets import TARGETS

FOLDER = Path(__file__).parent
_MEMORY = 600
"""MiB; atheris and the instrumentation take about half of it."""
_SLOWEST = 15
_LONGEST_INPUT = 1 << 18


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["image_tools", "resin_toolkit"]):
        from fuzz import targets

        # Modules that are imported late are instrumented too.
        for path in sorted((FOLDER / "corpus" / name).iterdir()):
            targets.run(name, path.read_bytes())

    def once(data: bytes) -> None:
        targets.run(name, data)

    atheris.Setup([name, *arguments], once)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/fuzz/run", description="Fuzz readers of untrusted input.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"default: all of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=60, help="time for each target (default: 60)")
    parser.add_argument("--runs", type=int, help="number of inputs for each target, instead of a time")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random numbers (default: 1)")
    parser.add_argument(
        "--failures", type=Path, default=Path(tempfile.gettempdir()), help="folder for failures"
    )
    parser.add_argument("--grown", type=Path, help="folder to keep inputs in that reach new code")
    options = parser.parse_args()
    failed = []
    for name in options.targets or TARGETS:
        command = [
            sys.executable,
            "-m",
            "fuzz.one",
            name,
            f"-seed={options.seed}",
            f"-timeout={_SLOWEST}",
        ]
        command += [f"-rss_limit_mb={_MEMORY}", f"-max_len={_LONGEST_INPUT}", "-len_control=20"]
        command += [f"-artifact_prefix={options.failures}/{name}-"]
        command.append(f"-runs={options.runs}" if options.runs else f"-max_total_time={options.seconds}")
        folders = [FOLDER / "corpus" / name, FOLDER / "found" / name]
        if options.grown:
            grown = options.grown / name
            grown.mkdir(parents=True, exist_ok=True)
            folders.insert(0, grown)
        with tempfile.TemporaryDirectory() as scratch:
            # libFuzzer adds to the first folder.
            command += [] if options.grown else [scratch]
            command += [str(folder) for folder in folders if folder.is_dir()]
            ended = subprocess.run(command, cwd=FOLDER.parent, stderr=subprocess.PIPE, text=True)
        last = ended.stderr.strip().splitlines()[-1:] or [""]
        print(f"{name}: {'failed' if ended.returncode else last[0]}", flush=True)
        if ended.returncode:
            failed.append(name)
            print(ended.stderr[-4000:], flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "no failures")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
