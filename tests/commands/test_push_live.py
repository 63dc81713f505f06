"""`resin push` in live mode: each save reaches the container of a real engine, or rebuilds its image."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from device.desk import wait_for
from device.stand_in import Desk, StandIn
from support.live_edits import Edits
from support.live_pushing import DOCKERFILE, TOML, fresh, live, live_garden, live_kitchen, live_table  # noqa: F401 - fixtures

pytestmark = pytest.mark.root


# what is saved


def test_save_is_synced_and_restarts_the_app(table: Desk, kitchen: StandIn, garden: Path) -> None:
    with live(table, kitchen, garden) as pushed:
        before = pushed.begun().container()
        (garden / "text").write_text("two")
        batch = pushed.batch()
        assert (batch["done"], batch["files"]) == ("synced 1 file, restarted main", ["text"])
        assert batch["seconds"] > 0
        pushed.until("line", text="started two")
        assert pushed.container() == before


def test_files_folders_modes_and_links(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "sub" / "deep").mkdir(parents=True)
    (garden / "sub" / "deep" / "leaf").write_text("leaf")
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        edits = (
            lambda: (garden / "new").write_text("new"),
            lambda: (garden / "new").chmod(0o750),
            lambda: (garden / "link").symlink_to("new"),
            lambda: (garden / "new").rename(garden / "newer"),
            lambda: (garden / "empty").mkdir(),
            lambda: (garden / "sub").rename(garden / "moved"),
            lambda: (garden / "moved" / "deep").chmod(0o700),
            lambda: shutil.rmtree(garden / "moved"),
            lambda: (garden / "newer").unlink(),
            lambda: os.link(garden / "text", garden / "other name"),
        )
        for number, edit in enumerate(edits):
            edit()
            pushed.in_step_with(number)
            assert pushed.holds() == fresh(kitchen, garden)
    assert not [event for event in pushed.events if event.get("code") == "rebuild"]


def test_files_that_become_folders_and_links(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """Folder, file and link, each in the place of each other one."""
    thing = garden / "thing"
    (garden / "loop").symlink_to("loop")
    (garden / "through").symlink_to("text/nothing")
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        for number, kind in enumerate(("file", "folder", "link", "file", "link", "folder", "file")):
            if thing.is_dir() and not thing.is_symlink():
                shutil.rmtree(thing)
            thing.unlink(missing_ok=True)
            if kind == "file":
                thing.write_text("file")
            elif kind == "link":
                thing.symlink_to("text")
            else:
                thing.mkdir()
                (thing / "inside").write_text("inside")
            pushed.in_step_with(number)
            assert pushed.holds() == fresh(kitchen, garden)


def test_burst_is_one_batch(table: Desk, kitchen: StandIn, garden: Path) -> None:
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        # Stopped, it finds all of them at once, however slowly a busy machine writes them.
        pushed.process.send_signal(signal.SIGSTOP)
        for number in range(200):
            path = garden / f"d{number % 7}" / f"f{number}"
            path.parent.mkdir(exist_ok=True)
            path.write_text(str(number))
        pushed.process.send_signal(signal.SIGCONT)
        batch = pushed.batch()
        assert (len(batch["files"]), batch["done"]) == (207, "synced 207 files, restarted main")
        assert pushed.quiet() == []
        assert pushed.holds() == fresh(kitchen, garden)


def test_checkout_of_another_branch_is_one_batch(table: Desk, kitchen: StandIn, garden: Path) -> None:
    def git(*words: str) -> None:
        set_up = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(garden), *set_up, *words], check=True, capture_output=True)

    git("init", "-b", "one")
    for number in range(120):
        (garden / f"f{number}").write_text("one")
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "two")
    for number in range(120):
        (garden / f"f{number}").write_text("two") if number % 3 else (garden / f"f{number}").unlink()
    git("add", "-A")
    git("commit", "-m", "two")
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        git("checkout", "one")
        assert len(pushed.batch()["files"]) == 120
        assert pushed.quiet() == []
        assert pushed.holds() == fresh(kitchen, garden)


def test_dance_of_an_editor_is_one_batch(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """It tries whether it may write, moves the file aside, writes a new one, and removes the old one."""
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "4913").touch()
        (garden / "4913").unlink()
        (garden / "text").rename(garden / "text~")
        (garden / "text").write_text("two")
        (garden / "text").chmod(0o600)
        (garden / "text~").unlink()
        assert pushed.batch()["files"] == ["text"]
        assert pushed.quiet() == []
        assert pushed.holds() == fresh(kitchen, garden)


# what is rebuilt


def test_files_that_a_later_run_depends_on_are_rebuilt(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "Dockerfile").write_text(
        "FROM stand-in\nCOPY needed /app/needed\nRUN cat /app/needed >/app/made\n"
        "COPY . /app/\nCMD sh /app/main.sh\n"
    )
    (garden / "needed").write_text("1")
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "needed").write_text("2")
        assert pushed.batch()["done"] == "rebuilt main"
        assert pushed.text("/app/made") == "2"
        (garden / "text").write_text("two")
        assert pushed.batch()["done"] == "synced 1 file, restarted main"
        assert pushed.holds() == fresh(kitchen, garden)


def test_dockerfile_and_ignore_file(table: Desk, kitchen: StandIn, garden: Path) -> None:
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "Dockerfile").write_text(DOCKERFILE + "ENV COLOUR=blue\n")
        assert pushed.batch()["done"] == "rebuilt main"
        assert "COLOUR=blue" in kitchen.docker("inspect", pushed.container())
        (garden / ".dockerignore").write_text("text\n")
        assert pushed.batch()["done"] == "rebuilt main"
        (garden / "text").write_text("two")
        assert pushed.quiet() == []
        assert pushed.holds() == fresh(kitchen, garden)
        (garden / ".dockerignore").write_text("nothing\n")
        assert pushed.batch()["done"] == "rebuilt main"
        assert pushed.holds() == fresh(kitchen, garden)
        assert pushed.text("/app/text") == "two"


def test_failed_build_leaves_the_old_container(table: Desk, kitchen: StandIn, garden: Path) -> None:
    with live(table, kitchen, garden) as pushed:
        before = pushed.begun().container()
        (garden / "Dockerfile").write_text(DOCKERFILE + "RUN echo no luck && exit 3\n")
        failed = pushed.until("failed")
        assert failed["code"] == "build-failed"
        assert "line 4" in failed["message"]
        assert pushed.container() == before
        assert "Up" in kitchen.docker("ps", "--format", "{{.Status}}")
        # Nobody asks the device again and again for what cannot be built.
        assert pushed.quiet() == []
        (garden / "Dockerfile").write_text(DOCKERFILE)
        (garden / "text").write_text("two")
        assert pushed.batch()["done"] == "rebuilt main"
        assert pushed.holds() == fresh(kitchen, garden)


def test_change_of_type_while_builds_fail_is_not_lost(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "thing").mkdir()
    (garden / "thing" / "inside").write_text("inside")
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "Dockerfile").write_text(DOCKERFILE + "RUN exit 3\n")
        shutil.rmtree(garden / "thing")
        (garden / "thing").write_text("file")
        pushed.until("failed")
        (garden / "thing").chmod(0o600)
        pushed.until("failed")
        (garden / "Dockerfile").write_text(DOCKERFILE)
        assert pushed.batch()["done"] == "rebuilt main"
        assert pushed.holds() == fresh(kitchen, garden)


def test_changes_during_a_rebuild_are_not_lost(table: Desk, kitchen: StandIn, garden: Path) -> None:
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "Dockerfile").write_text(DOCKERFILE + "RUN sleep 2\n")
        pushed.until("output", text="RUN sleep 2")
        (garden / "text").write_text("two")
        (garden / "new").write_text("new")
        assert pushed.batch()["done"] == "rebuilt main"
        assert pushed.batch()["files"] == ["new", "text"]
        assert pushed.holds() == fresh(kitchen, garden)


def test_changes_during_the_first_push_are_not_lost(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "Dockerfile").write_text(DOCKERFILE + f"RUN sleep 2 # {time.time_ns()}\n")
    with live(table, kitchen, garden) as pushed:
        pushed.until("output", text="Running in")
        (garden / "text").write_text("two")
        (garden / "resin.toml").write_text(TOML + 'env = {COLOUR = "blue"}\n')
        pushed.until("batch")
        wait_for(lambda: "COLOUR=blue" in kitchen.docker("inspect", pushed.container()), "the new variable")
        wait_for(lambda: pushed.text("/app/text") == "two", "the new text")


def test_image_without_rm(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """What cannot be deleted there is gone after a rebuild."""
    busybox = Path("/bin/busybox") if Path("/bin/busybox").exists() else Path("/usr/bin/busybox")
    shutil.copy(busybox, garden / "busybox.app")
    (garden / ".dockerignore").write_text("main.sh\n")
    (garden / "Dockerfile").write_text(
        'FROM scratch\nCOPY busybox.app /bin/\nCOPY . /app/\nCMD ["/bin/busybox.app", "sleep", "100000"]\n'
        "STOPSIGNAL SIGKILL\n"
    )
    (garden / "more").write_text("more")
    with live(table, kitchen, garden) as pushed:
        wait_for(lambda: "Up" in kitchen.docker("ps", "--format", "{{.Status}}"), "the first container")
        pushed.quiet(1.5)
        (garden / "text").write_text("two")
        assert pushed.batch()["done"] == "synced 1 file, restarted main"
        (garden / "more").unlink()
        assert pushed.batch()["done"] == "rebuilt main"
        assert pushed.holds() == fresh(kitchen, garden)


# everything


def test_random_edits(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """At every pause the container has what a fresh build of the folder has."""
    chance = random.Random(7)
    edits = Edits(garden, chance)
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        made = 0
        while made < 150:
            group = [edits.one() for _ in range(chance.randint(4, 16))]
            made += len(group)
            pushed.in_step_with(made)
            assert pushed.holds() == fresh(kitchen, garden), group


# projects of other people


def test_a_change_that_asks_for_more_is_not_sent(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden.parent / "secret.env").write_text("PASSWORD=7h3-k3y\n")
    (garden / "resin.toml").unlink()
    text = "name: garden\nservices: {main: {build: .%s}}\n"
    (garden / "compose.yaml").write_text(text % "")
    with live(table, kitchen, garden) as pushed:
        before = pushed.begun().container()
        for more, named in ((", env_file: ../secret.env", "secret.env"), (", environment: [HOME]", "$HOME")):
            (garden / "compose.yaml").write_text(text % more)
            failed = pushed.until("failed", code="not-trusted")
            assert named in failed["message"]
            assert "push again" in failed["hint"]
        assert pushed.container() == before
        (garden / "compose.yaml").write_text(text % ', environment: ["A=b"]')
        pushed.batch()
        assert pushed.container() != before
        assert "7h3-k3y" not in kitchen.docker("inspect", pushed.container())


@pytest.mark.parametrize("what", ["a folder", "a folder above"])
def test_a_folder_that_becomes_a_link_is_not_followed(
    table: Desk, kitchen: StandIn, garden: Path, what: str
) -> None:
    (garden / "sub" / "deep").mkdir(parents=True)
    (garden / "sub" / "deep" / "leaf").write_text("leaf")
    (garden.parent / "private" / "deep").mkdir(parents=True)
    (garden.parent / "private" / "deep" / "leaf").write_text("7h3-k3y")
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        folder = garden / "sub" if what == "a folder" else garden / "sub" / "deep"
        target = garden.parent / "private" if what == "a folder" else garden.parent / "private" / "deep"
        shutil.move(folder, garden.parent / "moved")
        folder.symlink_to(target)
        pushed.in_step_with(1)
        assert "7h3-k3y" not in str(pushed.holds())
        assert pushed.holds() == fresh(kitchen, garden)
