"""Stopping, starting and removing what push has brought to a device, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from resin_toolkit.engine import Container, Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.networks import Networks
from resin_toolkit.errors import EngineFailed, ServiceNotFound
from resin_toolkit.project.names import APP_LABEL, RESTART_LABEL
from resin_toolkit.push.apply.built_images import images_of
from resin_toolkit.push.apply.image_cleanup import remove_untagged
from resin_toolkit.push.apply.restart_policies import read_restart_policy, set_restart_policy
from resin_toolkit.push.plan.observed_state import list_apps, observe


def select_containers(engine: Engine, app: str, names: Sequence[str]) -> list[Container]:
    """The containers of an application, or of those of its services that are named.

    Raises ServiceNotFound where the device has no such application or service.
    """
    found = [c for each in observe(engine, app).values() for c in (each.current, each.next) if c is not None]
    if not found:
        others = ", ".join(list_apps(engine))
        raise ServiceNotFound(
            f"{engine.host} has nothing of {app}.",
            hint=f"It has: {others}; `--name` says which is meant."
            if others
            else "`resin push` brings it there.",
        )
    services = {container.service for container in found}
    missing = [name for name in names if name not in services]
    if missing:
        raise ServiceNotFound(
            f"{app} on {engine.host} has no service {', '.join(missing)}.",
            hint=f"It has: {', '.join(sorted(services))}.",
        )
    return [container for container in found if not names or container.service in names]


def stop(engine: Engine, container: Container) -> None:
    """Stop a container by its own signal; it stays so, over a reboot too, until it is started again."""
    Containers(engine).stop(container.id)
    set_restart_policy(engine, container.id, "no")


def restart(engine: Engine, container: Container) -> None:
    """Stop a container if it runs, start it, and let it be restarted as it was meant to be."""
    wanted = container.labels.get(RESTART_LABEL, "no")
    if read_restart_policy(engine, container.id) != wanted:
        set_restart_policy(engine, container.id, wanted)
    Containers(engine).restart(container.id)


def remove(engine: Engine, container: Container) -> None:
    """Stop a container and remove it; its named volumes stay."""
    stop(engine, container)
    Containers(engine).remove(container.id)


def remove_networks_and_images(engine: Engine, app: str, built: Iterable[str] = ()) -> None:
    """Remove the networks and the images of an application that has no containers any more.

    `built` are the images that its builds have made on the way, as entries of `ledger.py`.
    """
    label = f"{APP_LABEL}={app}"
    networks = Networks(engine)
    for network in networks.list([label]):
        networks.remove(network.id)
    images = Images(engine)
    for image in images.list([label]):
        try:
            images.remove(image.id, force=len(image.tags) > 1)
        except EngineFailed:
            # Somebody else's container stands on it.
            continue
    remove_untagged(images, images_of(built))
