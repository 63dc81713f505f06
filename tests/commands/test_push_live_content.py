"""`resin push` in live mode: a file rewritten with the same content is no change, anything else is."""

from __future__ import annotations

import os
import time
from contextlib import suppress
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
)

pytestmark = pytest.mark.root

FAR = 4_000_000_000
"""Seconds since 1970: a time that has not come yet."""


def begun(pushed: Pushed) -> Pushed:
    """Once it knows the content of all that the container holds but the sentinel."""
    pushed.begun()
    assert "sentinel" in look_again(pushed)
    return pushed


def look_again(pushed: Pushed) -> list[str]:
    """The files of the next batch, with the sentinel; what was sent before it is known by then."""
    (pushed.project / "sentinel").write_text(f"{time.monotonic_ns()}")
    return list(pushed.batch()["files"])


def nothing_to_do(pushed: Pushed) -> bool:
    """Whether all that was saved by now is no change: the app runs on, and no batch is about it."""
    started = started_at(pushed)
    return not pushed.quiet() and started_at(pushed) == started and look_again(pushed) == ["sentinel"]


def started_at(pushed: Pushed) -> str:
    return pushed.device.docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", pushed.container())


def written_beside(path: Path, text: str) -> None:
    """As some editors save: into a new file, which is moved over the old one."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text)
    beside.chmod(path.stat().st_mode)
    beside.replace(path)


def test_rewriting_the_same_content_is_no_change(table: Desk, kitchen: StandIn, garden: Path) -> None:
    text = garden / "text"
    with live(table, kitchen, garden) as pushed:
        before = begun(pushed).container()
        for content in ("one", "two"):
            if text.read_text() != content:
                text.write_text(content)
                assert pushed.batch()["files"] == ["text"]
                look_again(pushed)
            text.touch()
            assert nothing_to_do(pushed)
            text.write_text(content)
            assert nothing_to_do(pushed)
            written_beside(text, content)
            assert nothing_to_do(pushed)
        text.write_text("one")
        assert pushed.batch()["files"] == ["text"]
        assert pushed.holds() == fresh(kitchen, garden)
        assert pushed.container() == before


def test_other_content_of_the_same_size_and_time(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """The time of its modification can be set, even to one that has not come yet."""
    text = garden / "text"
    with live(table, kitchen, garden) as pushed:
        begun(pushed)
        for content, write in (("two", Path.write_text), ("six", written_beside)):
            status = text.stat()
            write(text, content)
            os.utime(text, ns=(status.st_atime_ns, status.st_mtime_ns))
            assert pushed.batch()["files"] == ["text"]
            assert pushed.text("/app/text") == content
        look_again(pushed)
        os.utime(text, (FAR, FAR))
        assert nothing_to_do(pushed)
        text.write_text("ten")
        os.utime(text, (FAR, FAR))
        assert pushed.batch()["files"] == ["text"]
        assert pushed.text("/app/text") == "ten"


def test_mode_alone(table: Desk, kitchen: StandIn, garden: Path) -> None:
    with live(table, kitchen, garden) as pushed:
        begun(pushed)
        (garden / "text").chmod(0o600)
        assert pushed.batch()["files"] == ["text"]
        assert pushed.holds() == fresh(kitchen, garden)


def test_touching_the_files_that_define_the_build(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """What a RUN depends on, the Dockerfile, what is left out, and what the application is."""
    (garden / "Dockerfile").write_text(
        "FROM stand-in\nCOPY lock /app/lock\nRUN cat /app/lock >/app/made\n"
        "COPY . /app/\nCMD sh /app/main.sh\n"
    )
    (garden / "lock").write_text("1")
    (garden / ".dockerignore").write_text("nothing\n")
    with live(table, kitchen, garden) as pushed:
        before = begun(pushed).container()
        for name in ("lock", "Dockerfile", ".dockerignore", "resin.toml"):
            (garden / name).touch()
            assert nothing_to_do(pushed), name
            written_beside(garden / name, (garden / name).read_text())
            assert nothing_to_do(pushed), name
        assert pushed.container() == before
        (garden / "lock").write_text("2")
        assert pushed.batch()["done"] == "rebuilt main"
        assert pushed.text("/app/made") == "2"


def test_a_change_undone_while_the_link_is_down(table: Desk, kitchen: StandIn, garden: Path) -> None:
    with live(table, kitchen, garden) as pushed:
        before = begun(pushed).container()
        cut(kitchen)
        (garden / "text").write_text("two")
        (garden / "Dockerfile").write_text(DOCKERFILE + "ENV COLOUR=blue\n")
        time.sleep(1)
        (garden / "text").write_text("one")
        (garden / "Dockerfile").write_text(DOCKERFILE)
        kitchen.link(up=True)
        assert nothing_to_do(pushed)
        assert pushed.container() == before
        assert pushed.holds() == fresh(kitchen, garden)


def test_a_change_undone_when_half_of_it_was_synced(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """The link is lost while the app is told to stop: what was sent is undone, though it was so before."""
    (garden / "main.sh").write_text(APP.replace("'exit 0'", "'sleep 5; exit 0'"))
    with live(table, kitchen, garden) as pushed:
        begun(pushed)
        (garden / "text").write_text("two")
        wait_for(lambda: pushed.text("/app/text") == "two", "the new text")
        cut(kitchen)
        (garden / "text").write_text("one")
        time.sleep(1)
        kitchen.link(up=True)
        assert pushed.batch()["files"] == ["text"]
        assert pushed.holds() == fresh(kitchen, garden)


def test_a_change_undone_while_the_container_is_modified(table: Desk, kitchen: StandIn, garden: Path) -> None:
    """What the application is has changed, and is undone when the new container is there already."""
    (garden / "main.sh").write_text(APP.replace("'exit 0'", "'sleep 2; exit 0'"))
    with live(table, kitchen, garden) as pushed:
        begun(pushed)
        (garden / "resin.toml").write_text(TOML + 'env = {COLOUR = "blue"}\n')
        wait_for(lambda: "COLOUR=blue" in environments(kitchen), "the new container")
        cut(kitchen)
        (garden / "resin.toml").write_text(TOML)
        time.sleep(1)
        kitchen.link(up=True)
        wait_for(lambda: "COLOUR=blue" not in environments(kitchen), "the container without it")
        assert pushed.holds() == fresh(kitchen, garden)


def environments(kitchen: StandIn) -> str:
    """Those of all containers, at a moment when none of them was being removed."""
    while True:
        names = kitchen.docker("ps", "--all", "--quiet").split()
        with suppress(RuntimeError):
            return kitchen.docker("inspect", "--format", "{{.Config.Env}}", *names)


def cut(kitchen: StandIn) -> None:
    assert kitchen.engine_port is not None
    kitchen.link(up=False)
    kitchen.kill_sockets(kitchen.engine_port)
