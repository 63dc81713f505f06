"""`resin push` in live mode: whatever happens to the device, whatever the project says, and its end."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from device.desk import wait_for
from device.stand_in import Desk, StandIn
from support.live_pushing import (  # noqa: F401 - fixtures
    APP,
    DOCKERFILE,
    TOML,
    Pushed,
    fresh,
    live,
    live_garden,
    live_kitchen,
    live_table,
    write_project,
)

pytestmark = pytest.mark.root


# what happens to the device


def until_shown(pushed: Pushed, text: str, times: int = 1) -> None:
    """Wait until a line was shown so many times; it may come before the batch that causes it."""
    while sum(event.get("text") == text for event in pushed.events) < times:
        pushed.until("line", text=text)


def test_exited_container_is_started_by_a_save(table: Desk, kitchen: StandIn, garden: Path) -> None:
    (garden / "resin.toml").write_text(TOML + 'restart = "no"\n')
    ends = 'echo "ended $(cat /app/text)"\n'
    with live(table, kitchen, garden) as pushed:
        before = pushed.begun().container()
        (garden / "main.sh").write_text(ends)
        pushed.batch()
        until_shown(pushed, "ended one")
        wait_for(lambda: not kitchen.docker("ps", "--quiet"), "its end")
        (garden / "main.sh").write_text(APP)
        pushed.batch()
        until_shown(pushed, "started one", times=2)
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


def replace_file(path: Path, text: str) -> None:
    """Write it as most editors do: nobody reads half of it."""
    new = path.parent.parent / "new"
    new.write_text(text)
    new.replace(path)


def test_new_service_of_a_compose_file(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """Its folder is watched from then on."""
    one = "services:\n  main:\n    build: .\n    network_mode: host\n"
    other = garden.parent / "other"
    write_project(other)
    # Both are in one work tree, so that nothing has to be allowed.
    subprocess.run(["git", "init", "--quiet", garden.parent], check=True)
    (garden / "compose.yaml").write_text(one)
    (garden / "resin.toml").write_text('name = "garden"\n')
    with live(table, kitchen, garden) as pushed:
        pushed.begun()
        (garden / "compose.yaml").write_text(one + "  other:\n    build: ../other\n    network_mode: host\n")
        assert "created other" in pushed.batch()["done"]
        (other / "text").write_text("two")
        assert pushed.batch()["done"] == "synced 1 file, restarted other"
        replace_file(garden / "compose.yaml", "services: 3\n")
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


def test_recreated_folder(table: Desk, kitchen: StandIn, garden: Path) -> None:
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
        assert envelope["error"]["message"] == "Stopped; the application keeps running."
        assert "Up" in kitchen.docker("ps", "--format", "{{.Status}}")


def test_push_after_live_mode_deploys_the_built_image(table: Desk, kitchen: StandIn, garden: Path) -> None:
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
