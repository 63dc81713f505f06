"""Removing the images that earlier pushes of an application have left on a device, and no others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.images import Image, Images
from resin_toolkit.errors import EngineFailed, ServiceNotFound
from resin_toolkit.project.application import Application
from resin_toolkit.project.names import APP_LABEL, image_name


class BuiltImages:
    """The intermediate images that builds of a project have made, by service.

    `entries` are `SERVICE:ID`: an image that one service still uses is not stale because the build of
    another no longer does.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self.entries = set(entries)

    @property
    def images(self) -> set[str]:
        """The IDs."""
        return {_image(entry) for entry in self.entries}

    def add(self, service: str, images: Iterable[str]) -> None:
        """Add images that a build of `service` has made, or uses."""
        self.entries |= {f"{service}:{image}" for image in images}

    def add_reused(self, used: Mapping[str, set[str]]) -> None:
        """Add what services use that others have made. `used` are the images each service was built on."""
        made = self.images
        for service, images in used.items():
            self.add(service, images & made)

    def stale(self, used: Mapping[str, set[str]], services: Collection[str]) -> BuiltImages:
        """What is no longer used, by services that were rebuilt (`used`) or are not in `services`."""
        found = BuiltImages()
        for entry in self.entries:
            service, _, image = entry.rpartition(":")
            if (service in used and image not in used[service]) or service not in services:
                found.entries.add(entry)
        return found

    def without(self, other: BuiltImages) -> BuiltImages:
        return BuiltImages(self.entries - other.entries)


def _image(entry: str) -> str:
    return entry.rpartition(":")[2]


def remove_unused_images(engine: Engine, application: Application, intermediate: Iterable[str] = ()) -> int:
    """Remove the application's images that neither a container nor a service uses; return their number.

    `intermediate` are IDs of images without a name that earlier builds of it have made.
    """
    images, used = Images(engine), _used_images(engine)
    wanted = {f"{image_name(application.name, service.name)}:latest" for service in application.services}
    labelled = images.list([f"{APP_LABEL}={application.name}"])
    ids = {image.id for image in labelled if _is_unused(image, application, wanted)}
    removed = sum(_remove(images, image) for image in ids if image not in used)
    return removed + remove_untagged(images, intermediate)


def remove_untagged(images: Images, ids: Iterable[str]) -> int:
    """Remove intermediate images by their IDs, except those that somebody has tagged."""
    removed = 0
    for identity in ids:
        details = images.inspect(identity)
        if details is not None and not details.tags:
            removed += _remove(images, identity)
    return removed


def _is_unused(image: Image, application: Application, wanted: set[str]) -> bool:
    """Whether it has no tag, or only that of a service which no longer exists."""
    tags = [tag for tag in image.tags if tag != "<none>:<none>"]
    return all(
        tag not in wanted and tag.startswith(f"{application.name}_") and tag.endswith(":latest")
        for tag in tags
    )


def _remove(images: Images, identity: str) -> bool:
    try:
        images.remove(identity)
    except EngineFailed:
        # Another image is built on it, or somebody gave it another tag: then it is still used.
        return False
    return True


def _used_images(engine: Engine) -> set[str]:
    containers, found = Containers(engine), set()
    for container in engine.containers(all=True):
        try:
            found.add(str(containers.raw(container.id).get("Image")))
        except ServiceNotFound:
            # It was removed meanwhile.
            continue
    return found
