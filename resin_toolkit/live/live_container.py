"""What live mode asks of, and does to, the container of one service."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.images import Images
from resin_toolkit.errors import EngineFailed
from resin_toolkit.live.change_batch import ChangeBatch
from resin_toolkit.live.container_files import delete_files, send_files
from resin_toolkit.live.mapping.mapping_inputs import BaseImage
from resin_toolkit.project.names import LIVE

_FOLDER = b"5"
_TYPE = 156
"""Where the type of an entry stands in its head (POSIX.1-2001, ustar)."""
_ATTEMPTS, _PAUSE = 20, 0.1


@dataclass(frozen=True)
class ContainerFacts:
    """What an engine was asked about a container and the images that it stands on, and what it said."""

    bases: dict[str, BaseImage | None] = field(default_factory=dict)
    folders: dict[str, bool | None] = field(default_factory=dict)
    owners: dict[str, dict[str, list[str]]] = field(default_factory=dict)


def base_image_lookup(
    engine: Engine, known: dict[str, BaseImage | None]
) -> Callable[[str], BaseImage | None]:
    """What images do by themselves, as the engine knows them."""
    images = Images(engine)

    def base(reference: str) -> BaseImage | None:
        if reference not in known:
            details = images.inspect(reference)
            known[reference] = None if details is None else BaseImage.of(details.config)
        return known[reference]

    return base


def folder_lookup(
    engine: Engine, container: str, known: dict[str, bool | None]
) -> Callable[[str], bool | None]:
    """Whether a path of a container is a folder; None where there is nothing."""

    def is_folder(path: str) -> bool | None:
        if path not in known:
            known[path] = _is_folder(engine, container, path)
        return known[path]

    return is_folder


def apply_batch(engine: Engine, container: str, batch: ChangeBatch) -> None:
    """Delete and send what the batch says, and start the container anew if it has to be.

    Raises CannotDelete, `syncing.Changed`, ServiceNotFound, EngineFailed, Unreachable.
    """
    _mark(engine, container)
    if batch.deleted:
        _delete(engine, container, batch.deleted)
    send_files(engine, container, batch.uploads)
    if batch.restart or not _runs(engine, container):
        _tried(lambda: Containers(engine).restart(container))


def _mark(engine: Engine, container: str) -> None:
    """Let it be known, to every later push, that the container is not what its image made."""
    containers = Containers(engine)
    name = str(containers.raw(container).get("Name", "")).removeprefix("/")
    if name and not name.endswith(LIVE):
        _tried(lambda: containers.rename(container, name + LIVE))


def _delete(engine: Engine, container: str, targets: list[str]) -> None:
    if not _runs(engine, container):
        Containers(engine).start(container)
    delete_files(engine, container, targets)


def _tried(action: Callable[[], object]) -> None:
    """Do it. An engine trips over a container that ends at that moment."""
    for attempt in range(_ATTEMPTS):
        try:
            action()
        except EngineFailed:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _runs(engine: Engine, container: str) -> bool:
    state = Containers(engine).raw(container).get("State")
    return isinstance(state, dict) and state.get("Running") is True and not state.get("Restarting")


def _is_folder(engine: Engine, container: str, path: str) -> bool | None:
    stream = Containers(engine).get_archive(container, path)
    if stream is None:
        return None
    with stream:
        head = b""
        while len(head) <= _TYPE and (piece := stream.read()):
            head += piece
    return head[_TYPE : _TYPE + 1] == _FOLDER if len(head) > _TYPE else None
