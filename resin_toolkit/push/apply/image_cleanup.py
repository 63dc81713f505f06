"""Images that earlier pushes of an application have left on a device. Nothing else is ever removed."""

from __future__ import annotations

from collections.abc import Iterable

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.images import Image, Images
from resin_toolkit.errors import EngineFailed, ServiceNotFound
from resin_toolkit.project.application import Application
from resin_toolkit.project.names import APP_LABEL, image_name


def remove_unused_images(engine: Engine, application: Application, stages: Iterable[str] = ()) -> int:
    """Remove the application's images that no container has, and no service; their number.

    `stages` are IDs of images without a name that earlier builds of it have made on the way.
    """
    images, used = Images(engine), _used(engine)
    wanted = {f"{image_name(application.name, service.name)}:latest" for service in application.services}
    labelled = images.list([f"{APP_LABEL}={application.name}"])
    ids = {image.id for image in labelled if _is_left(image, application, wanted)}
    removed = sum(_removed(images, identity) for identity in ids if identity not in used)
    return removed + remove_untagged(images, stages)


def remove_untagged(images: Images, identities: Iterable[str]) -> int:
    """Remove images that builds have made on the way, by their IDs, unless somebody has named one."""
    removed = 0
    for identity in identities:
        details = images.inspect(identity)
        if details is not None and not details.tags:
            removed += _removed(images, identity)
    return removed


def _is_left(image: Image, application: Application, wanted: set[str]) -> bool:
    """Without a name, or with that of a service alone that there is no more."""
    own = [tag for tag in image.tags if tag != "<none>:<none>"]
    return all(
        tag not in wanted and tag.startswith(f"{application.name}_") and tag.endswith(":latest")
        for tag in own
    )


def _removed(images: Images, identity: str) -> bool:
    try:
        images.remove(identity)
    except EngineFailed:
        # Another image stands on it, or somebody gave it a further name: then it is no leftover.
        return False
    return True


def _used(engine: Engine) -> set[str]:
    containers, found = Containers(engine), set()
    for container in engine.containers(all=True):
        try:
            found.add(str(containers.raw(container.id).get("Image")))
        except ServiceNotFound:
            # It went away meanwhile.
            continue
    return found
