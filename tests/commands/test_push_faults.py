"""`resin push` where something goes wrong on the way, on a stand-in device."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from device.desk import wait_for
from device.stand_in import StandIn, desk, stand_in
from support.resin_command import PROGRAM, Run

pytestmark = pytest.mark.root

SERVES = 'CMD ["sh", "/app/run.sh"]\n'
PLAIN = f"FROM stand-in\nCOPY . /app\n{SERVES}"
WAITS = f"FROM stand-in\nCOPY . /app\nRUN while [ ! -e /finish ]; do sleep 0.05; done\n{SERVES}"
"""Its build waits for `finish_build`."""


@pytest.fixture(scope="module")
def device() -> Iterator[StandIn]:
    with desk() as table, stand_in(table, "kitchen", announces=False) as kitchen:
        kitchen.start("first", "true")
        kitchen.docker("rm", "--force", "first")
        yield kitchen


@pytest.fixture
def kitchen(device: StandIn) -> Iterator[StandIn]:
    yield device
    for name in device.docker("ps", "--all", "--quiet").split():
        device.docker("rm", "--force", "--volumes", name)


def garden(folder: Path, says: str = "one", dockerfile: str = PLAIN) -> Path:
    """A project called garden in `folder`, whose container writes a word."""
    made = folder / "garden"
    made.mkdir(parents=True, exist_ok=True)
    (made / "Dockerfile").write_text(dockerfile)
    (made / "resin.toml").write_text("[run]\nprivileged = false\n")
    script = f"trap 'exit 0' TERM; echo {says}; while :; do sleep 0.05; done\n"
    (made / "run.sh").write_text(script)
    return made


def push(device: StandIn, project: Path, where: str = "") -> Run:
    return device.desk.resin("push", where or device.address, "--detach", cwd=project)


def begin(device: StandIn, project: Path, until: str, where: str = "") -> subprocess.Popen[str]:
    """A push that has said `until`."""
    command = [*device.desk.prefix, str(PROGRAM), "push", where or device.address, "--detach"]
    environment = device.desk.environment
    begun = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=project, env=environment, text=True)
    assert begun.stderr is not None
    for line in begun.stderr:
        if until in line:
            return begun
    raise AssertionError(f"{until!r} was not said")


def finish_build(device: StandIn) -> None:
    """Let the build of WAITS continue, once it has come to the step that waits."""

    def steps() -> list[str]:
        listed = device.docker("ps", "--no-trunc", "--format", "{{.ID}} {{.Command}}").splitlines()
        return [line.split()[0] for line in listed if "/finish" in line]

    wait_for(lambda: bool(steps()), "the step of the build")
    [step] = steps()
    device.docker("exec", step, "touch", "/finish")


def running(device: StandIn) -> list[str]:
    """The containers that run, and what each has written."""
    names = sorted(device.docker("ps", "--format", "{{.Names}}").split())
    return [f"{name}: {device.docker('logs', name).strip()}" for name in names]


def everything(device: StandIn) -> list[str]:
    return sorted(device.docker("ps", "--all", "--format", "{{.Names}}").split())


def test_the_last_stage_is_what_runs(kitchen: StandIn, tmp_path: Path) -> None:
    first = 'FROM stand-in AS build\nRUN echo made >/made\nCMD ["sh", "-c", "echo build; sleep 60"]\n'
    project = garden(
        tmp_path, dockerfile=f"{first}FROM stand-in\nCOPY --from=build /made /made\n{PLAIN[14:]}"
    )
    assert push(kitchen, project).code == 0
    assert running(kitchen) == ["garden_main: one"]


def test_a_file_saved_during_a_build_is_built_by_the_next_push(kitchen: StandIn, tmp_path: Path) -> None:
    project = garden(tmp_path, dockerfile=WAITS)
    first = begin(kitchen, project, "RUN while")
    garden(tmp_path, "two")
    finish_build(kitchen)
    first.communicate()
    assert first.returncode == 0
    assert running(kitchen) == ["garden_main: one"]
    assert push(kitchen, project).code == 0
    assert running(kitchen) == ["garden_main: two"]


def test_a_name_of_a_foreign_container_is_refused(kitchen: StandIn, tmp_path: Path) -> None:
    kitchen.start("garden_main", "while :; do sleep 0.1; done")
    project = garden(tmp_path)
    for _ in range(2):
        refused = push(kitchen, project)
        assert refused.code == 4
        assert "has a container garden_main that is not of this application" in refused.err
        assert everything(kitchen) == ["garden_main"]


def test_a_push_during_the_build_of_another_one_does_not_disturb_it(kitchen: StandIn, tmp_path: Path) -> None:
    quick = garden(tmp_path / "quick", "quick")
    for number in range(2):
        slow = garden(tmp_path / "slow", "slow", dockerfile=WAITS.replace("RUN", f"ENV N={number}\nRUN"))
        first = begin(kitchen, slow, "RUN while")
        assert push(kitchen, quick).code == 0
        assert kitchen.docker("logs", "garden_main").strip() == "quick"
        finish_build(kitchen)
        first.communicate()
        assert first.returncode == 0
        assert everything(kitchen) == ["garden_main"]
        assert running(kitchen) == ["garden_main: slow"]


def test_an_image_that_somebody_tagged_stays(kitchen: StandIn, tmp_path: Path) -> None:
    push(kitchen, garden(tmp_path))
    kitchen.docker("tag", "garden_main", "garden_main:good")
    for says in ("two", "three"):
        assert push(kitchen, garden(tmp_path, says)).code == 0
    assert "garden_main:good" in kitchen.docker("images", "--format", "{{.Repository}}:{{.Tag}}")


@pytest.mark.parametrize("way", ["tcp://{}:2377", "ssh://root@{}"])
def test_a_push_killed_while_the_old_container_stops_leaves_one_running(
    kitchen: StandIn, tmp_path: Path, way: str
) -> None:
    where = way.format(kitchen.address)
    project = garden(tmp_path)
    script = (project / "run.sh").read_text().replace("'exit 0'", "'sleep 1; exit 0'")
    (project / "run.sh").write_text(script)
    assert push(kitchen, project, where).code == 0
    (project / "run.sh").write_text(script.replace("echo one", "echo two"))
    killed = begin(kitchen, project, "topping the old container", where)
    time.sleep(0.5)
    killed.kill()
    killed.communicate()
    assert "garden_main: one" in running(kitchen)
    wait_for(lambda: running(kitchen) == ["garden_main.next: two"], "the new container")
    assert push(kitchen, project, where).code == 0
    assert running(kitchen) == ["garden_main: two"]
    assert everything(kitchen) == ["garden_main"]


def test_an_unwritable_project_state_does_not_prevent_a_push(kitchen: StandIn, tmp_path: Path) -> None:
    project = garden(tmp_path)
    os.utime(project / "run.sh", (1, 1))
    time.sleep(2.1)  # what changed just now is not remembered anyway
    env = {"XDG_STATE_HOME": "/dev/null/x"}
    run = kitchen.desk.resin("push", kitchen.address, "--detach", cwd=project, env=env)
    assert run.code == 0, run
    assert "cannot be saved for the next push" in run.err
    assert running(kitchen) == ["garden_main: one"]


def test_a_dockerfile_by_absolute_path_must_be_inside_the_context(kitchen: StandIn, tmp_path: Path) -> None:
    project = garden(tmp_path)
    (project / "made").mkdir()
    inside = (project / "Dockerfile").rename(project / "made" / "Dockerfile")
    where = ("push", kitchen.address, "--detach", "--dockerfile")
    assert kitchen.desk.resin(*where, inside, cwd=project).code == 0
    assert running(kitchen) == ["garden_main: one"]
    (tmp_path / "Dockerfile").write_text(PLAIN)
    refused = kitchen.desk.resin(*where, "../Dockerfile", cwd=project)
    assert refused.code == 2
    assert "is outside the build context" in refused.err


def test_containers_that_somebody_started_from_an_image_are_left_alone(
    kitchen: StandIn, tmp_path: Path
) -> None:
    push(kitchen, garden(tmp_path))
    kitchen.docker("run", "--detach", "--name", "tried", "--network", "host", "garden_main", "sleep", "600")
    assert push(kitchen, garden(tmp_path, "two")).code == 0
    names = kitchen.docker("ps", "--format", "{{.Names}}").split()
    assert sorted(names) == ["garden_main", "tried"]
