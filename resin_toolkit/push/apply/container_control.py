"""Stopping, starting and removing the containers of an application on a device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from resin_toolkit.engine import Container, Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.networks import Networks
from resin_toolkit.errors import DeviceAmbiguous, EngineFailed, ServiceNotFound
from resin_toolkit.project.names import APP_LABEL, RESTART_LABEL
from resin_toolkit.project.project_state import find_project_state
from resin_toolkit.push.apply.image_cleanup import BuiltImages, remove_untagged
from resin_toolkit.push.apply.restart_policies import read_restart_policy, set_restart_policy
from resin_toolkit.push.plan.observed_state import list_apps, observe


def find_app(engine: Engine, folder: Path) -> str:
    """Return the application of the project in `folder`, else the only one on the device.

    Raises ServiceNotFound, and DeviceAmbiguous if the device has several.
    """
    state = find_project_state(folder)
    if state is not None and state.app:
        return state.app
    found = list_apps(engine)
    if not found:
        raise ServiceNotFound(
            f"No application is deployed on {engine.host}.", hint="Deploy a project with `resin push`."
        )
    if len(found) > 1:
        raise DeviceAmbiguous(
            f"{engine.host} has several applications: {', '.join(found)}.", hint="Choose one with --name."
        )
    return found[0]


def built_images(app: str, folder: Path) -> tuple[str, ...]:
    """The intermediate images of an application's builds, if `folder` is in its project."""
    state = find_project_state(folder)
    return state.built if state is not None and state.app == app else ()


def select_containers(engine: Engine, app: str, names: Sequence[str]) -> list[Container]:
    """The containers of an application, or only those of the services in `names`.

    Raises ServiceNotFound if the device has no such application or service.
    """
    found = [c for each in observe(engine, app).values() for c in (each.current, each.next) if c is not None]
    if not found:
        others = ", ".join(list_apps(engine))
        raise ServiceNotFound(
            f"{app} is not deployed on {engine.host}.",
            hint=f"The device runs: {others}. Choose one with `--name`."
            if others
            else "Deploy it with `resin push`.",
        )
    services = {container.service for container in found}
    missing = [name for name in names if name not in services]
    if missing:
        raise ServiceNotFound(
            f"{app} on {engine.host} has no service {', '.join(missing)}.",
            hint=f"Its services are: {', '.join(sorted(services))}.",
        )
    return [container for container in found if not names or container.service in names]


def stop(engine: Engine, container: Container) -> None:
    """Stop a container with its own signal; it stays stopped, across reboots, until it is started again."""
    Containers(engine).stop(container.id)
    set_restart_policy(engine, container.id, "no")


def restart(engine: Engine, container: Container) -> None:
    """Restart or start a container, and give it the restart policy of its service again."""
    wanted = container.labels.get(RESTART_LABEL, "no")
    if read_restart_policy(engine, container.id) != wanted:
        set_restart_policy(engine, container.id, wanted)
    Containers(engine).restart(container.id)


def remove(engine: Engine, container: Container) -> None:
    """Stop and remove a container; named volumes are kept."""
    stop(engine, container)
    Containers(engine).remove(container.id)


def remove_networks_and_images(engine: Engine, app: str, built: Iterable[str] = ()) -> None:
    """Remove the networks and images of an application that has no containers any more.

    `built` are the intermediate images of its builds, as entries of `BuiltImages`.
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
            # A foreign container uses it.
            continue
    remove_untagged(images, BuiltImages(built).images)
