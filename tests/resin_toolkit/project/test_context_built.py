"""What a real engine makes of the archive: the files that a build sees are those of the folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from device.stand_in import StandIn
from support.engine_parts import connected
from support.sent_contexts import one_of_each

from resin_toolkit.engine import Engine
from resin_toolkit.engine.build import BuildOptions, build
from resin_toolkit.engine.progress_messages import MessageKind
from resin_toolkit.project.compression import compress_if_faster
from resin_toolkit.project.context import BuildContext
from resin_toolkit.project.ignore import read_ignore_rules

pytestmark = pytest.mark.root

LIST = "find . ! -path . | LC_ALL=C sort | sha256sum && cat 'with space/in it/a file' && stat -c %a private"
WORDS = f"FROM stand-in\nCOPY . /sent\nRUN cd /sent && {LIST}\n"


@pytest.fixture
def engine(kitchen: StandIn) -> Iterator[Engine]:
    with connected(kitchen, "tcp") as found:
        yield found


def said(engine: Engine, context: BuildContext, rate: float) -> str:
    options = BuildOptions(dockerfile=context.dockerfile, no_cache=True, network="host")
    with build(engine, compress_if_faster(context.stream(), rate), options) as going:
        return "".join(message.text for message in going if message.kind is MessageKind.TEXT)


def listing(paths: set[str]) -> str:
    lines = b"".join(os.fsencode(f"./{path}\n") for path in paths).splitlines()
    return hashlib.sha256(b"".join(line + b"\n" for line in sorted(lines))).hexdigest()


@pytest.mark.parametrize("rate", [1e6, 1e9])
def test_a_build_sees_the_folder(engine: Engine, tmp_path: Path, rate: float) -> None:
    """Compressed and not; the engine takes the Dockerfile and the rules away again."""
    top = one_of_each(tmp_path / "top")
    context = BuildContext(top, rules=read_ignore_rules(top), extra={"Dockerfile": WORDS.encode()})
    text = said(engine, context, rate)
    paths = {entry.path for entry in context.entries()}
    assert {"Dockerfile", ".dockerignore", "two\nlines"} <= paths
    assert listing(paths - {"Dockerfile", ".dockerignore"}) in text
    assert "content600" in text


def test_the_rules_beside_the_dockerfile_are_gone_by(engine: Engine, tmp_path: Path) -> None:
    top = one_of_each(tmp_path / "top")
    (top / "Other").write_text(WORDS)
    (top / "Other.dockerignore").write_text("Other*\n.dockerignore\nDockerfile\n")
    context = BuildContext(top, "Other", read_ignore_rules(top, "Other"))
    text = said(engine, context, 1e9)
    paths = {entry.path for entry in context.entries()}
    assert {"Other", ".dockerignore", "README.md"} <= paths
    assert listing(paths - {"Other", ".dockerignore"}) in text
