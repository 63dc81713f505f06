"""`resin push --detach` on the stand-in (needs root): nothing changed, and a first push beside docker's.

    python tests/benchmarks/push.py [--runs N]

Nothing changed: the whole process, at most 1.0 s, and no container replaced. A first push with nothing in the
engine's cache: at most 1.15 of what `docker build` and `docker run` of the docker program take on the same
engine, with the same folder, in turns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from device.stand_in import Desk, StandIn, desk, stand_in

UNCHANGED, RATIO = 1.0, 1.15
DOCKERFILE = """FROM stand-in
WORKDIR /app
ENV COLOUR=green
COPY packages.txt .
RUN i=0; while [ $i -lt 40 ]; do i=$((i+1)); cp -r /bin/busybox /app/tool$i; done; sleep 1
COPY . .
RUN cat *.txt | md5sum >sum
CMD ["sh", "/app/run.sh"]
"""
RUN = "trap 'exit 0' TERM\necho up\nwhile :; do sleep 0.1; done\n"
SETTINGS = "[run]\nprivileged = false\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with desk() as table, stand_in(table, "kitchen") as kitchen, tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "garden"
        write_project(project)
        kitchen.start("image", "true")
        kitchen.docker("rm", "--force", "image")
        pushed, built = [], []
        for _ in range(runs):
            pushed.append(timed(lambda: resin(table, project)))
            clear(kitchen)
            built.append(timed(lambda: docker(table, kitchen, project)))
            clear(kitchen)
        resin(table, project)
        before = kitchen.docker("ps", "--quiet", "--no-trunc")
        unchanged = [timed(lambda: resin(table, project)) for _ in range(2 * runs)]
        replaced = kitchen.docker("ps", "--quiet", "--no-trunc") != before
    ratio = median(pushed) / median(built)
    print(f"first push                 {line(pushed)}")
    print(f"docker build, docker run   {line(built)}")
    print(f"ratio                      {ratio:.2f}   bar {RATIO}   {verdict(ratio <= RATIO)}")
    good = max(unchanged) <= UNCHANGED and not replaced
    print(f"nothing changed            {line(unchanged)}   bar {UNCHANGED:.1f} s   {verdict(good)}")
    return 0 if good and ratio <= RATIO else 1


def write_project(project: Path) -> None:
    project.mkdir()
    (project / "Dockerfile").write_text(DOCKERFILE)
    (project / "run.sh").write_text(RUN)
    (project / "resin.toml").write_text(SETTINGS)
    (project / "packages.txt").write_text("one\ntwo\n")
    for number in range(40):
        (project / f"file{number}.txt").write_bytes(os.urandom(20_000))


def resin(table: Desk, project: Path) -> None:
    run = table.resin("push", "kitchen", "--detach", cwd=project)
    if run.code:
        sys.exit(f"resin push: {run}")


def docker(table: Desk, device: StandIn, project: Path) -> None:
    environment = {**table.environment, "DOCKER_BUILDKIT": "0"}
    engine = ("docker", "--host", f"tcp://{device.address}:{device.engine_port}")
    for words in (
        ("build", "--tag", "garden", str(project)),
        ("run", "--detach", "--name", "garden", "--restart", "always", "--network", "host", "garden"),
    ):
        command = [*table.prefix, *engine, *words]
        subprocess.run(command, env=environment, capture_output=True, check=True)


def clear(device: StandIn) -> None:
    """All containers, and all images but the base."""
    for container in device.docker("ps", "--all", "--quiet").split():
        device.docker("rm", "--force", container)
    for image in device.docker("images", "--format", "{{.Repository}}").split():
        if image not in ("stand-in", "<none>"):
            device.docker("rmi", "--force", image)
    device.docker("image", "prune", "--force")
    assert len(device.docker("images", "--all", "--quiet").split()) == 1


def timed(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def line(seconds: list[float]) -> str:
    return f"median {median(seconds):5.2f} s, worst {max(seconds):5.2f} s"


def verdict(good: bool) -> str:
    return "pass" if good else "FAIL"


if __name__ == "__main__":
    raise SystemExit(main())
