"""The archive that is sent for a build: beside docker's, and where the folder changes or cannot be read."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.sent_contexts import (
    LATIN,
    BuildServer,
    Sent,
    build_server,
    docker_programs,
    docker_sends,
    unpacked,
)
from support.sent_folders import rewrite, sent_folder  # noqa: F401 - fixtures

from resin_toolkit.errors import IoFailed, NotPermitted, PathNotFound, ResinError
from resin_toolkit.project.compression import gzip_stream
from resin_toolkit.project.context import BuildContext
from resin_toolkit.project.context_size import ContextSize
from resin_toolkit.project.context_tar import tar_member
from resin_toolkit.project.context_walk import FileType
from resin_toolkit.project.files_below import FilesBelow
from resin_toolkit.project.ignore import IgnoreRules, read_ignore_rules


@pytest.fixture(scope="module")
def server() -> Iterator[BuildServer]:
    with build_server() as made:
        yield made


def sends(folder: Path, dockerfile: str = "Dockerfile", **extra: bytes) -> dict[str, Sent]:
    made = BuildContext(folder, dockerfile, read_ignore_rules(folder, dockerfile), extra)
    return unpacked(b"".join(made.stream()))


@pytest.mark.parametrize("program", docker_programs())
def test_the_archive_is_what_docker_sends(program: str, folder: Path, server: BuildServer) -> None:
    theirs = unpacked(docker_sends(program, server, folder))
    assert sends(folder) == theirs
    assert {"Dockerfile", ".dockerignore", "empty", "linked", f"latin-{LATIN}/{LATIN}"} <= theirs.keys()
    assert not {"gone", "README.md"} & theirs.keys()


@pytest.mark.parametrize("program", docker_programs())
def test_another_dockerfile_is_sent_too(program: str, folder: Path, server: BuildServer) -> None:
    (folder / "gone" / "Other").write_text("FROM scratch\n")
    theirs = docker_sends(program, server, folder, "-f", str(folder / "gone" / "Other"))
    ours = sends(folder, "gone/Other")
    assert ours == unpacked(theirs)
    assert "gone/Other" in ours
    assert "gone/file" not in ours


@pytest.mark.parametrize("program", docker_programs())
def test_a_folder_that_is_a_link(program: str, folder: Path, server: BuildServer) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder.name)
    assert sends(link) == unpacked(docker_sends(program, server, f"{link}/."))


def test_tar_unpacks_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    archive = b"".join(BuildContext(folder, rules=IgnoreRules.parse("outside\n")).stream())
    assert len(archive) % 512 == 0
    assert archive.endswith(bytes(1024))
    subprocess.run(["tar", "-x", "-C", tmp_path / "out"], input=archive, check=True, timeout=60)
    subprocess.run(["diff", "-r", "--no-dereference", "-x", "outside", folder, tmp_path / "out"], check=True)


def test_its_own_and_the_history_are_never_sent(folder: Path) -> None:
    for name in (".git", ".resin", "sub/.git"):
        (folder / name).mkdir(parents=True)
        (folder / name / "x").touch()
    (folder / ".dockerignore").write_text("!.git\n!.resin")
    found = sends(folder)
    assert [name for name in found if ".git" in name or ".resin" in name] == ["sub/.git", "sub/.git/x"]


def test_entries_come_in_order_and_lazily(folder: Path) -> None:
    entries = BuildContext(folder).entries()
    first = next(entries)
    (folder / "with space" / "late").touch()
    rest = [entry.path for entry in entries]
    assert first.path == ".dockerignore"
    assert "with space/late" in rest
    assert rest == sorted(rest, key=lambda path: [os.fsencode(part) for part in path.split("/")])


def test_files_that_are_made_for_the_build(folder: Path) -> None:
    (folder / "Dockerfile.template").write_text("FROM %%ARCH%%")
    made = {"Dockerfile": b"FROM scratch", "gone/new": b"n" * 600}
    context = BuildContext(folder, rules=read_ignore_rules(folder), extra=made)
    found = unpacked(b"".join(context.stream()))
    assert {name: found[name].content for name in made} == made
    assert found["Dockerfile"].mode == 0o644
    assert "gone/file" not in found
    (folder / "Dockerfile").unlink()
    assert unpacked(b"".join(context.stream())) == found


def test_rules_of_one_dockerfile_reach_the_engine_under_its_own_name(folder: Path) -> None:
    """It takes the Dockerfile away by `.dockerignore` alone."""
    (folder / "Other").touch()
    (folder / "Other.dockerignore").write_text("gone\nOther*\n")
    found = sends(folder, "Other")
    assert found[".dockerignore"].content == b"gone\nOther*\n"
    assert "Other" in found
    assert "Other.dockerignore" not in found
    assert "README.md" in found
    (folder / "Other.dockerignore").write_text("gone\n")
    assert b"*.md" in sends(folder, "Other")[".dockerignore"].content


def test_what_is_no_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(folder / "socket"))
    context = BuildContext(folder)
    for _ in range(2):
        names = {entry.path for entry in context.entries()}
        assert not {"pipe", "socket"} & names
        assert [(n.code, n.message.split(" ")[0]) for n in context.notices] == [("not-sent", "pipe")]
    assert not [*BuildContext(folder, rules=IgnoreRules.parse("pipe")).notices]


@pytest.mark.parametrize("name", ["secret", "secret\n2", "locked", LATIN])
def test_what_cannot_be_read(name: str, open_folder: Path) -> None:
    place = open_folder / name
    if name == "locked":
        place.mkdir()
        (place / "x").touch()
    else:
        place.touch()
    place.chmod(0)
    with AsNobody():
        context = BuildContext(open_folder)
        for use in (lambda: list(context.stream()), context.digest):
            with pytest.raises(NotPermitted) as raised:
                use()
            assert raised.value.message.startswith(ascii(name)[1:-1])
            assert ".dockerignore" in raised.value.hint
        rules = IgnoreRules.parse("secret*\nlocked\ncaf?\n")
        assert list(BuildContext(open_folder, rules=rules).entries()) == []


class AsNobody:
    """The user who may read only what all may."""

    def __enter__(self) -> None:
        self._before = os.geteuid()
        if self._before == 0:
            os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        os.seteuid(self._before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that every user can get at."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for use in (lambda c: list(c.stream()), lambda c: c.size(), lambda c: c.digest()):
        with pytest.raises(PathNotFound, match="nowhere"):
            use(BuildContext(tmp_path / "nowhere"))
    (tmp_path / "file").touch()
    with pytest.raises(ResinError, match="file"):
        list(BuildContext(tmp_path / "file").stream())


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 2 * 1024 * 1024)


@pytest.mark.parametrize("change", [grow, shrink, rewrite])
def test_a_large_file_that_changes_while_it_is_sent(folder: Path, change: Callable[[Path], None]) -> None:
    os.utime(folder / "large", ns=(0, 0))
    sent = bytearray()

    def send() -> None:
        for piece in BuildContext(folder).stream(64 * 1024):
            if len(sent) < 1024 * 1024 <= len(sent) + len(piece):
                change(folder / "large")
            sent.extend(piece)

    with pytest.raises(IoFailed, match="large changed while it was being sent") as raised:
        send()
    assert ".dockerignore" in raised.value.hint
    with pytest.raises(tarfile.ReadError):
        unpacked(bytes(sent))


def test_a_small_file_is_as_it_is_when_its_turn_comes(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d", "e"):
        (tmp_path / name).write_bytes(b"x" * 100)
    pieces = BuildContext(tmp_path).stream(1)
    first = next(pieces)
    (tmp_path / "b").write_bytes(b"y" * 700)
    (tmp_path / "c").write_bytes(b"")
    (tmp_path / "d").unlink()
    found = unpacked(first + b"".join(pieces))
    assert {name: entry.content for name, entry in found.items()} == {
        "a": b"x" * 100,
        "b": b"y" * 700,
        "c": b"",
        "e": b"x" * 100,
    }


def test_a_file_that_goes_away_before_it_is_opened(folder: Path) -> None:
    entry = next(entry for entry in BuildContext(folder).entries() if entry.path == "private")
    (folder / "private").unlink()
    with FilesBelow(str(folder)) as files:
        assert list(tar_member(files, entry, 4096)) == []


def test_a_file_whose_size_is_a_lie() -> None:
    """As those that the kernel makes up."""
    kernel = Path("/proc/sys/kernel/random")
    found = unpacked(b"".join(BuildContext(kernel).stream()))
    assert (kernel / "boot_id").stat().st_size == 0
    assert found["boot_id"].content == (kernel / "boot_id").read_bytes()


def test_a_deep_folder(tmp_path: Path) -> None:
    """Deeper than Python's own stack; what clears up after the tests is not up to it."""
    subprocess.run(["mkdir", "-p", tmp_path / "top" / "/".join("d" * 1500)], check=True, timeout=60)
    try:
        assert sum(1 for _ in BuildContext(tmp_path / "top").entries()) == 1500
    finally:
        subprocess.run(["rm", "-r", tmp_path / "top"], check=True, timeout=60)


def test_memory_stays_small(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    context = BuildContext(tmp_path)
    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in context.stream())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 200 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


def test_size(tmp_path: Path) -> None:
    for name, kib in {
        "node_modules/a/b": 60,
        "node_modules/c": 5,
        "app/data/recordings/x": 20,
        "app/data/y": 1,
        "app/z": 1,
        "small/s": 3,
        "top": 10,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(kib * 1024))
    (tmp_path / "link").symlink_to("top")
    size = BuildContext(tmp_path, rules=IgnoreRules.parse("**/z")).size()
    largest = (("node_modules", 65 * 1024), ("app/data/recordings", 20 * 1024))
    assert size == ContextSize(99 * 1024, 7, largest)
    assert size.advice() == "node_modules 65.0 KiB, app/data/recordings 20.0 KiB: add them to .dockerignore"
    (tmp_path / "only").mkdir()
    assert BuildContext(tmp_path / "only").size().advice() == ""


def test_compressed_bodies_unpack_to_the_same(folder: Path) -> None:
    context = BuildContext(folder)
    pieces = list(gzip_stream(context.stream(), 1))
    assert len(pieces) > 3
    assert zlib.decompress(b"".join(pieces), 31) == b"".join(context.stream())
    kinds = {entry.kind for entry in context.entries()}
    assert kinds == set(FileType)


def test_a_folder_above_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    for name in ("above/project", "private/project"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
    context = BuildContext(tmp_path / "above" / "project")
    assert [entry.path for entry in context.entries()] == ["file"]
    (tmp_path / "above").rename(tmp_path / "moved")
    (tmp_path / "above").symlink_to("private")
    with pytest.raises(ResinError):
        b"".join(context.stream())
