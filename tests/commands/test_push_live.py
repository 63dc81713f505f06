"""`resin push` in live mode: each save reaches the container of a real engine, whatever happens meanwhile."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from device.desk import wait_for
from device.stand_in import Desk, StandIn, desk, stand_in
from live_edits import Edits
from live_pushing import APP, DOCKERFILE, TOML, fresh, live, write_project

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: for network namespaces")


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(scope="module")
def kitchen(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "kitchen", announces=False) as device:
        device.start("first", "true")
        device.docker("rm", "-f", "first")
        yield device


@pytest.fixture
def garden(tmp_path: Path) -> Path:
    return write_project(tmp_path / "garden")


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


def test_what_becomes_something_else(table: Desk, kitchen: StandIn, garden: Path) -> None:
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
        for number in range(200):
            path = garden / f"d{number % 7}" / f"f{number}"
            path.parent.mkdir(exist_ok=True)
            path.write_text(str(number))
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


# what is built anew


def test_what_a_later_run_depends_on_is_built_anew(table: Desk, kitchen: StandIn, garden: Path) -> None:
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


def test_build_that_fails_leaves_what_ran(table: Desk, kitchen: StandIn, garden: Path) -> None:
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


def test_change_of_kind_while_builds_fail_is_not_forgotten(
    table: Desk, kitchen: StandIn, garden: Path
) -> None:
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


# what happens to the device


def test_container_that_has_ended_is_started_by_a_save(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "resin.toml").write_text(TOML + 'restart = "no"\n')
    ends = 'echo "ended $(cat /app/text)"\n'
    with live(table, kitchen, garden) as pushed:
        before = pushed.begun().container()
        (garden / "main.sh").write_text(ends)
        pushed.batch()
        pushed.until("line", text="ended one")
        wait_for(lambda: not kitchen.docker("ps", "--quiet"), "its end")
        (garden / "main.sh").write_text(APP)
        pushed.batch()
        pushed.until("line", text="started one")
        assert pushed.container() == before
        (garden / "main.sh").write_text(ends)
        pushed.batch()
        wait_for(lambda: not kitchen.docker("ps", "--quiet"), "its end")
        (garden / "gone").write_text("")
        pushed.batch()
        (garden / "gone").unlink()
        pushed.batch()
        assert pushed.holds() == fresh(kitchen, garden)


def test_link_down_while_saving(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "old").write_text("old")
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        kitchen.link(up=False)
        assert kitchen.engine_port is not None
        kitchen.kill_sockets(kitchen.engine_port)
        (garden / "text").write_text("two")
        time.sleep(1)
        (garden / "old").unlink()
        (garden / "new").write_text("new")
        time.sleep(1)
        kitchen.link(up=True)
        pushed.batch(files="new")
        assert pushed.holds() == fresh(kitchen, garden)


def test_reboot_of_the_device(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "Dockerfile").write_text(DOCKERFILE + "ENV A=1\n")
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "text").write_text("two")
        pushed.batch()
        before = pushed.container()
        kitchen.power_off()
        (garden / "text").write_text("three")
        (garden / "new").write_text("new")
        kitchen.boot()
        pushed.batch(files="new")
        pushed.until("line", text="started three")
        assert pushed.container() == before
        assert pushed.holds() == fresh(kitchen, garden)
        (garden / "new").unlink()
        pushed.batch(files="new")
        assert pushed.holds() == fresh(kitchen, garden)


def test_container_that_somebody_removed(table: Desk, kitchen: StandIn, garden: Path) -> None:
    with live(table, kitchen, garden) as pushed:
        before = pushed.begun().container()
        kitchen.docker("rm", "--force", before)
        (garden / "text").write_text("two")
        assert pushed.batch()["done"] == "rebuilt main"
        assert pushed.container() != before
        assert pushed.holds() == fresh(kitchen, garden)
        assert pushed.quiet() == []


# what the project says


def test_owners_modes_and_stages(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "Dockerfile").write_text(
        "FROM stand-in AS src\nCOPY part /src/part\nFROM stand-in\n"
        "RUN echo 'app::55:66::/:/bin/sh' >>/etc/passwd && echo 'app:x:77:' >/etc/group\n"
        "COPY --from=src /src/part /app/part\nCOPY --chown=5:6 owned /app/owned\n"
        "COPY --chown=app named /app/named\nCOPY main.sh text /app/\nCMD sh /app/main.sh\n"
    )
    for name in ("part", "owned", "named"):
        (garden / name).mkdir()
        (garden / name / "file").write_text("1")
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        for name in ("part", "owned", "named"):
            (garden / name / "file").write_text("2")
            (garden / name / "sub").mkdir()
            (garden / name / "sub" / "new").write_text("new")
            pushed.batch(files=f"{name}/sub/new")
            assert pushed.holds() == fresh(kitchen, garden)
        assert pushed.holds()["named/sub/new"][2:4] == (55, 77)
        (garden / "owned" / "file").unlink()
        pushed.batch()
        assert pushed.holds() == fresh(kitchen, garden)


def test_dev_lines(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "Dockerfile").write_text(
        "FROM stand-in\nCOPY main.sh text /app/\n#dev-copy=extra /app/extra\n#dev-env=COLOUR=blue\n"
        "#dev-cmd-live=sh /app/main.sh live\nCMD sh /app/main.sh\n"
    )
    (garden / "extra").mkdir()
    (garden / "extra" / "file").write_text("1")
    (garden / "main.sh").write_text(APP.replace("$(cat", "$COLOUR $1 $(cat"))
    with live(table, kitchen, garden) as pushed:
        pushed.until("line", text="started blue live one")
        assert pushed.text("/app/extra/file") == "1"
        (garden / "extra" / "file").write_text("2")
        assert pushed.batch()["done"] == "synced 1 file, restarted main"
        assert pushed.text("/app/extra/file") == "2"


def test_develop_watch(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "resin.toml").write_text('name = "garden"\n[run]\ngrace = 0.1\n')
    for folder in ("web/page", "shared"):
        (garden / folder).mkdir(parents=True)
        (garden / folder / "file").write_text("1")
    for name in ("main.sh", "text"):
        (garden / name).rename(garden / "web" / name)
    (garden / "Dockerfile").unlink()
    (garden / "web" / "Dockerfile").write_text(DOCKERFILE)
    (garden / "compose.yaml").write_text(
        "services:\n  main:\n    build: ./web\n    network_mode: host\n    develop:\n      watch:\n"
        "        - {action: sync, path: ./web/page, target: /app/page}\n"
        "        - {action: sync+restart, path: ./shared, target: /app/shared}\n"
        "        - {action: rebuild, path: ./web/text}\n"
    )
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "web" / "page" / "file").write_text("2")
        assert pushed.batch()["done"] == "synced 1 file"
        assert pushed.text("/app/page/file") == "2"
        (garden / "shared" / "file").write_text("2")
        assert pushed.batch()["done"] == "synced 1 file, restarted main"
        assert pushed.text("/app/shared/file") == "2"
        (garden / "web" / "text").write_text("two")
        assert pushed.batch()["done"] == "rebuilt main"
        assert pushed.text("/app/text") == "two"


def test_new_service_of_a_compose_file(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """Its folder is watched from then on."""
    one = "services:\n  main:\n    build: .\n    network_mode: host\n"
    other = garden.parent / "other"
    write_project(other)
    (garden / "compose.yaml").write_text(one)
    (garden / "resin.toml").write_text('name = "garden"\n')
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "compose.yaml").write_text(one + "  other:\n    build: ../other\n    network_mode: host\n")
        assert "created other" in pushed.batch()["done"]
        (other / "text").write_text("two")
        assert pushed.batch()["done"] == "synced 1 file, restarted other"
        (garden / "compose.yaml").write_text("services: 3\n")
        pushed.until("failed")
        assert pushed.quiet() == []
        (garden / "compose.yaml").write_text(one)
        assert "removed other" in pushed.batch()["done"]


def test_ignored_by_live(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "resin.toml").write_text(TOML + '[live]\nignore = ["*.log"]\n')
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "some.log").write_text("said")
        assert pushed.quiet() == []
        (garden / "text").write_text("two")
        assert pushed.batch()["files"] == ["text"]


def test_folder_that_is_made_anew(table: Desk, kitchen: StandIn, garden: Path) -> None:
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        garden.rename(garden.with_name("aside"))
        time.sleep(1)
        shutil.copytree(garden.with_name("aside"), garden)
        (garden / "text").write_text("two")
        pushed.until("line", text="started two")
        pushed.quiet()
        (garden / "text").write_text("three")
        pushed.until("line", text="started three")
        assert pushed.holds() == fresh(kitchen, garden)


# its end


def test_ctrl_c(table: Desk, kitchen: StandIn, garden: Path) -> None:
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "text").write_text("two")
        pushed.batch()
        code, envelope = pushed.end()
        assert code == 130
        assert envelope["error"]["message"] == "Stopped; the application runs on."
        assert "Up" in kitchen.docker("ps", "--format", "{{.Status}}")


def test_push_after_live_mode_brings_what_was_built(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """A container that files were put into is not taken for what its image makes."""
    with live(table, kitchen, garden) as pushed:
        before = pushed.begun().container()
        (garden / "text").write_text("two")
        pushed.batch()
        pushed.end()
        # As it was when the image was built.
        (garden / "text").write_text("one")
        run = table.resin("push", kitchen.address, "--detach", "--json", cwd=garden)
        assert run.code == 0, run
        assert pushed.container() != before
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
