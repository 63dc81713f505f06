"""Builds on a real engine: what comes of them, and every way in which they end early."""

from __future__ import annotations

import gzip
import os
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from device.desk import wait_for
from device.stand_in import StandIn
from support.engine_parts import connected, tar_of

from resin_toolkit.engine import Engine
from resin_toolkit.engine.build import Build, BuildOptions, build
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.progress_messages import MessageKind
from resin_toolkit.errors import BuildFailed, NotSupported, ResinError, Unreachable

pytestmark = pytest.mark.root

MIB = 1024 * 1024
HOST = BuildOptions(network="host")


def context(dockerfile: str, **files: bytes) -> bytes:
    return tar_of({"Dockerfile": dockerfile.encode(), **files})


def text_of(going: Build) -> str:
    return "".join(message.text for message in going if message.kind is MessageKind.TEXT)


def go_through(going: Build, started: Callable[[], object]) -> None:
    """To the end of a build; `started` is called when its command has put out that word."""
    for message in going:
        if message.text == "started\n":
            started()


def endless() -> Iterator[bytes]:
    """A context that ends only with its build; it does not fill the machine's disk at once."""
    entry = tarfile.TarInfo("big")
    entry.size = 8**11 - 1
    yield entry.tobuf()
    while True:
        time.sleep(0.001)
        yield bytes(64 * 1024)


def sender_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "_send" in thread.name]


def test_an_image_is_built(engine: Engine) -> None:
    data = os.urandom(3 * MIB)
    words = "FROM stand-in\nARG WORD=none\nLABEL own=1 word=$WORD\nCOPY data /data\nENV A=b\n"
    archive = context(words, data=data)
    pieces = [archive[start : start + 100_000] for start in range(0, len(archive), 100_000)]
    options = BuildOptions(tags=("first:1", "second:2"), args={"WORD": "a b&c"}, labels={"given": "x y"})
    with build(engine, [pieces[0], b"", *pieces[1:]], options) as going:
        said = text_of(going)
    assert " : COPY data /data" in said
    details = Images(engine).inspect(going.image)
    assert details is not None
    assert details.id.removeprefix("sha256:").startswith(going.image.removeprefix("sha256:"))
    assert set(details.tags) == {"first:1", "second:2"}
    assert details.config["Labels"]["word"] == "a b&c"
    assert details.config["Labels"]["own"] == "1"
    assert ("given" in details.config["Labels"]) == (engine.api_version != "1.22")
    assert "A=b" in details.config["Env"]


def test_a_compressed_context(engine: Engine) -> None:
    with build(engine, [gzip.compress(context("FROM stand-in\n"))], BuildOptions()) as going:
        text_of(going)
    assert going.image


def test_another_dockerfile_and_a_stage(modern: Engine) -> None:
    words = b"FROM stand-in AS one\nLABEL stage=one\nFROM one AS two\nLABEL stage=two\n"
    options = BuildOptions(dockerfile="sub/Dockerfile.arm", target="one", no_cache=True, tags=("one:1",))
    with build(modern, [tar_of({"sub/Dockerfile.arm": words})], options) as going:
        text_of(going)
    details = Images(modern).inspect("one:1")
    assert details is not None
    assert details.config["Labels"] == {"stage": "one"}


def test_a_step_that_fails(modern: Engine, kitchen: StandIn) -> None:
    said: list[str] = []
    archive = context("FROM stand-in\nENV A=b\nRUN echo before && exit 7\n")
    with build(modern, [archive], HOST) as going, pytest.raises(BuildFailed) as caught:
        said.extend(message.text for message in going)
    assert "before\n" in said
    assert caught.value.facts["code"] == 7
    assert caught.value.facts["step"] == 3
    assert caught.value.facts["instruction"] == "RUN echo before && exit 7"
    assert "returned a non-zero code: 7" in caught.value.message
    assert kitchen.docker("ps", "--all", "--quiet") == ""


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (context("FROM stand-in\nNONSENSE\n"), "nonsense"),
        (tar_of({"other": b""}), "dockerfile"),
        (b"this is no archive" * 100, "tar"),
        (context("FROM stand-in\nCOPY missing /\n"), "missing"),
    ],
    ids=["instruction", "no Dockerfile", "no archive", "no such file"],
)
def test_an_invalid_context_is_an_error(engine: Engine, archive: bytes, words: str) -> None:
    with build(engine, [archive], BuildOptions()) as going, pytest.raises(BuildFailed) as caught:
        text_of(going)
    assert words in caught.value.message.lower()
    assert caught.value.message.isprintable()


def test_an_error_before_the_whole_context_is_sent(engine: Engine) -> None:
    options = BuildOptions(tags=("NOT A NAME",))
    with build(engine, endless(), options) as going, pytest.raises(BuildFailed) as caught:
        text_of(going)
    assert "invalid reference format" in caught.value.message
    wait_for(lambda: not sender_threads(), "the end of the sending")


class Wrong(ResinError):
    """What a context raises."""


@pytest.mark.parametrize("size", [0, 100, 20 * MIB])
def test_a_context_that_fails_half_way(engine: Engine, size: int) -> None:
    archive = context("FROM stand-in\n", data=bytes(size))

    def failing() -> Iterator[bytes]:
        yield archive[: len(archive) // 2]
        raise Wrong("the file went away")

    before = {image.id for image in Images(engine).list(all=True)}
    with build(engine, failing(), BuildOptions()) as going, pytest.raises(Wrong):
        text_of(going)
    assert {image.id for image in Images(engine).list(all=True)} == before


def test_a_context_that_fails_between_two_files_is_incomplete(engine: Engine) -> None:
    archive = context("FROM stand-in\nLABEL half=1\n")

    def failing() -> Iterator[bytes]:
        # Without the blocks of zeros that end an archive, which no reader insists on.
        yield archive[:1024]
        raise Wrong("the file went away")

    with build(engine, failing(), BuildOptions()) as going, pytest.raises(Wrong):
        text_of(going)
    time.sleep(0.5)
    assert Images(engine).list(["half"]) == []


def test_cancelling_a_build_while_sending(engine: Engine) -> None:
    going = build(engine, endless(), BuildOptions())
    closing = threading.Timer(0.3, going.close)
    closing.start()
    assert text_of(going) == ""
    closing.join()
    assert going.image == ""
    wait_for(lambda: not sender_threads(), "the end of the sending")


def test_cancelling_a_step(modern: Engine, kitchen: StandIn) -> None:
    going = build(modern, [context("FROM stand-in\nRUN echo started && sleep 1000\n")], HOST)
    go_through(going, threading.Thread(target=going.close).start)
    assert going.image == ""
    wait_for(lambda: kitchen.docker("ps", "--all", "--quiet") == "", "the end of the step's container")


@pytest.mark.parametrize("way", ["tcp", "ssh"])
@pytest.mark.parametrize("when", ["sending", "running"])
def test_a_lost_connection_ends_a_build(kitchen: StandIn, way: str, when: str) -> None:
    port = 2377 if way == "tcp" else 22222
    archive = [context("FROM stand-in\nRUN echo started && sleep 1000\n")]
    with connected(kitchen, way) as engine:
        with build(engine, endless() if when == "sending" else archive, HOST) as going:
            cutting = threading.Timer(0.5, kitchen.kill_sockets, [port])
            if when == "sending":
                cutting.start()
            with pytest.raises(Unreachable) as caught:
                go_through(going, cutting.start)
            cutting.join()
        assert caught.value.facts["cause"] == "lost"
    wait_for(lambda: kitchen.docker("ps", "--all", "--quiet") == "", "the end of the step's container")


def test_a_dead_link_is_noticed_while_a_step_runs(kitchen: StandIn) -> None:
    """Within 15 s once all was sent, as promised; the bound is for busy machines."""
    with connected(kitchen, "tcp") as engine:
        going = build(engine, [context("FROM stand-in\nRUN echo started && sleep 1000\n")], HOST)
        started = time.monotonic()
        try:
            with going, pytest.raises(Unreachable):
                go_through(going, lambda: kitchen.link(False))
            assert time.monotonic() - started < 90
        finally:
            kitchen.link(True)
    # The engine itself learns of it late; its container is not to be there for the next test.
    for container in kitchen.docker("ps", "--quiet").split():
        kitchen.docker("kill", container)
    wait_for(lambda: kitchen.docker("ps", "--all", "--quiet") == "", "the end of the step's container")


def test_an_engine_that_accepts_no_data_for_a_while(modern: Engine, kitchen: StandIn) -> None:
    """Longer than a link may be silent: a worn card is slow, and the link is not dead."""
    process = kitchen.pid_of("engine")
    archive = context("FROM scratch\nCOPY big /\n", big=bytes(32 * MIB))

    def stalling() -> Iterator[bytes]:
        for start in range(0, len(archive), MIB):
            if start == 4 * MIB:
                os.kill(process, signal.SIGSTOP)
                threading.Timer(18.0, os.kill, [process, signal.SIGCONT]).start()
            yield archive[start : start + MIB]

    with build(modern, stalling(), BuildOptions()) as going:
        text_of(going)
    assert going.image


def test_options_that_an_old_engine_lacks(kitchen: StandIn) -> None:
    with connected(kitchen, "1.22") as old:
        for options in (BuildOptions(target="one"), HOST):
            with pytest.raises(NotSupported) as caught:
                build(old, [], options)
            assert "API 1.22" in caught.value.message
            assert caught.value.hint
