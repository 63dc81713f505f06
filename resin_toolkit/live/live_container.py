"""The container of one service in live mode: what it holds, and how a batch of changes is applied to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.images import Images
from resin_toolkit.live.change_batch import ChangeBatch
from resin_toolkit.live.container_files import delete_files, send_files
from resin_toolkit.live.mapping.mapping_inputs import BaseImage
from resin_toolkit.project.names import LIVE_SUFFIX
from resin_toolkit.push.apply.retries import retry_while_exiting

_DIRECTORY = b"5"
_TYPE_OFFSET = 156
"""The offset of the type in the header of a member (POSIX.1-2001, ustar)."""


@dataclass(frozen=True)
class ContainerFacts:
    """What is known of a container and its base images, kept from batch to batch."""

    bases: dict[str, BaseImage | None] = field(default_factory=dict)
    folders: dict[str, bool | None] = field(default_factory=dict)
    owners: dict[str, dict[str, list[str]]] = field(default_factory=dict)


def base_image_lookup(
    engine: Engine, known: dict[str, BaseImage | None]
) -> Callable[[str], BaseImage | None]:
    """A function from a reference to what the engine knows of that image; results are kept in `known`."""
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
    """A function that tells whether a path in a container is a folder; None if it does not exist."""

    def is_folder(path: str) -> bool | None:
        if path not in known:
            known[path] = _is_folder(engine, container, path)
        return known[path]

    return is_folder


def apply_batch(engine: Engine, container: str, batch: ChangeBatch) -> None:
    """Delete and upload files, and restart the container if the batch asks for it or it does not run.

    Raises CannotDelete, ChangedWhileReading, ServiceNotFound, EngineFailed, Unreachable.
    """
    _mark_modified(engine, container)
    if batch.deleted:
        _delete(engine, container, batch.deleted)
    send_files(engine, container, batch.uploads)
    if batch.restart or not _runs(engine, container):
        retry_while_exiting(lambda: Containers(engine).restart(container))


def _mark_modified(engine: Engine, container: str) -> None:
    """Mark the container by its name: later pushes see that it differs from its image."""
    containers = Containers(engine)
    name = str(containers.raw(container).get("Name", "")).removeprefix("/")
    if name and not name.endswith(LIVE_SUFFIX):
        retry_while_exiting(lambda: containers.rename(container, name + LIVE_SUFFIX))


def _delete(engine: Engine, container: str, targets: list[str]) -> None:
    if not _runs(engine, container):
        Containers(engine).start(container)
    delete_files(engine, container, targets)


def _runs(engine: Engine, container: str) -> bool:
    state = Containers(engine).raw(container).get("State")
    return isinstance(state, dict) and state.get("Running") is True and not state.get("Restarting")


def _is_folder(engine: Engine, container: str, path: str) -> bool | None:
    stream = Containers(engine).get_archive(container, path)
    if stream is None:
        return None
    with stream:
        header = b""
        while len(header) <= _TYPE_OFFSET and (chunk := stream.read()):
            header += chunk
    return header[_TYPE_OFFSET : _TYPE_OFFSET + 1] == _DIRECTORY if len(header) > _TYPE_OFFSET else None
