"""A whole deployment: recover from an interrupted one, build the images, replace the containers, clean up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.images import Images
from resin_toolkit.errors import EngineFailed, Notice, Unreachable
from resin_toolkit.project.access import ProjectAccess
from resin_toolkit.project.application import Application, Service
from resin_toolkit.project.names import SOURCE_LABEL
from resin_toolkit.push.apply.image_build import BuildResult, LinkRate, build_image
from resin_toolkit.push.apply.image_cleanup import BuiltImages, remove_unused_images
from resin_toolkit.push.apply.image_fetch import fetch_image
from resin_toolkit.push.apply.listener import DeploymentListener
from resin_toolkit.push.apply.reconciler import Reconciler, ServiceDeployment
from resin_toolkit.push.apply.recovery import recover
from resin_toolkit.push.apply.replacement import ContainerReplacer
from resin_toolkit.push.plan.build_source import BuildSource, read_build_source
from resin_toolkit.push.plan.observed_state import ObservedService
from resin_toolkit.push.plan.platform import Platform
from resin_toolkit.push.plan.start_order import start_levels

_PARALLEL_BUILDS = 3
_OBSERVATION_LIFETIME = 1.0
"""Seconds after which the device is observed again: somebody else may have pushed during a build."""


@dataclass(frozen=True)
class PushOptions:
    """How an application is deployed. `services` are those to deploy, all if empty; `grace` is in seconds."""

    services: frozenset[str] = frozenset()
    dockerfile: str | None = None
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False
    pull: bool = False
    rollback: bool = True
    grace: float | None = None
    cache: Path | None = None
    """A folder for the hashes of files, so that unchanged files are not read again."""
    link: LinkRate = field(default_factory=LinkRate)
    live: bool = False
    """Whether the `#dev-` lines of a Dockerfile take part in the build."""


@dataclass(frozen=True)
class Deployment:
    """The result of a deployment."""

    services: tuple[ServiceDeployment, ...]
    sources: Mapping[str, BuildSource]
    """What was built, by service."""
    removed_images: int
    seconds: float

    def data(self) -> dict[str, object]:
        """The record for JSON."""
        return {
            "services": [service.data() for service in self.services],
            "removed_images": self.removed_images,
            "seconds": round(self.seconds, 3),
        }

    def summary(self) -> str:
        """One line: which services were changed, and how long it took."""
        by_change: dict[str, list[str]] = {}
        for service in self.services:
            by_change.setdefault(service.change.value, []).append(service.service)
        changes = "; ".join(f"{change} {', '.join(names)}" for change, names in by_change.items())
        return f"{changes or 'nothing to do'}, {self.seconds:.1f} s."


@dataclass
class _ImageSet:
    """The images of an application's services, by service."""

    ids: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    """The hashes of what they were built from."""
    used: dict[str, set[str]] = field(default_factory=dict)
    """Of services that were built just now, the intermediate images they consist of."""


def read_build_sources(
    application: Application,
    platform: Platform,
    options: PushOptions,
    access: ProjectAccess | None = None,
) -> dict[str, BuildSource]:
    """What has to be built, by service; nothing is sent. `access` notes what is outside the project.

    Raises what `read_build_source` raises.
    """
    return {
        service.name: read_build_source(
            application,
            service,
            platform,
            dockerfile=options.dockerfile,
            target=options.target,
            args=options.build_args,
            cache=options.cache / f"{service.name}.hashes" if options.cache else None,
            live=options.live,
            access=access,
        )
        for service in selected_services(application, options)
        if service.build is not None
    }


def selected_services(application: Application, options: PushOptions) -> list[Service]:
    """The services to deploy."""
    return [s for s in application.services if not options.services or s.name in options.services]


def deploy(
    engine: Engine,
    application: Application,
    sources: Mapping[str, BuildSource],
    listener: DeploymentListener,
    options: PushOptions,
    built: BuiltImages | None = None,
) -> Deployment:
    """Deploy an application to a device. Its old containers keep running until all images are ready.

    `built` are the intermediate images of this and earlier builds: new ones are added, and those that are no
    longer used are removed from the device and from `built`.

    Raises BuildFailed, PushFailed, Refused, EngineFailed, Unreachable.
    """
    started = time.monotonic()
    start_levels(application.services)
    replacer = ContainerReplacer(engine, listener, grace=options.grace, rollback=options.rollback)
    observed = recover(engine, application.name, replacer, listener.step)
    observed_at = time.monotonic()
    built = BuiltImages() if built is None else built
    images = _prepare_images(engine, application, sources, observed, listener, options, built)
    if time.monotonic() - observed_at > _OBSERVATION_LIFETIME:
        observed = recover(engine, application.name, replacer, listener.step)
    reconciler = Reconciler(
        engine,
        application,
        images.ids,
        observed,
        replacer,
        lambda service: images.hashes.get(service.name) or _current_source_hash(observed, service),
        listener.step,
        options.grace,
    )
    services = reconciler.run(only=options.services)
    removed = _clean_up(engine, application, images, listener, built)
    return Deployment(tuple(services), sources, removed, time.monotonic() - started)


def _clean_up(
    engine: Engine,
    application: Application,
    images: _ImageSet,
    listener: DeploymentListener,
    built: BuiltImages,
) -> int:
    """Remove images that are no longer used; return their number. A failure does not undo the deployment."""
    built.add_reused(images.used)
    stale = built.stale(images.used, [service.name for service in application.services])
    try:
        removed = remove_unused_images(engine, application, stale.images - built.without(stale).images)
    except (EngineFailed, Unreachable) as error:
        text = f"The deployment succeeded, but old images were not removed: {error.message}"
        listener.warn(Notice("not-cleaned", text))
        return 0
    built.entries -= stale.entries
    return removed


def _prepare_images(
    engine: Engine,
    application: Application,
    sources: Mapping[str, BuildSource],
    observed: Mapping[str, ObservedService],
    listener: DeploymentListener,
    options: PushOptions,
    built: BuiltImages,
) -> _ImageSet:
    """Build or fetch all images in parallel. The first failure is raised once all have ended."""
    found = _ImageSet()
    known = _image_ids(engine)

    def prepare(service: Service) -> None:
        source = sources.get(service.name)
        if source is None:
            found.ids[service.name] = fetch_image(engine, service, listener, pull=options.pull)
            return
        image = "" if options.no_cache or options.pull else _reusable_image(engine, source, observed, known)
        if image:
            listener.step(service.name, "nothing to build")
            result = BuildResult(image)
        else:
            result = BuildResult()
            source.read_files()
            try:
                build_image(
                    engine,
                    application.name,
                    source,
                    listener,
                    result,
                    options.link,
                    no_cache=options.no_cache,
                    pull=options.pull,
                    is_running=service.name in observed,
                )
            finally:
                built.add(service.name, result.made)
            found.used[service.name] = result.used
        found.ids[service.name] = result.image
        found.hashes[service.name] = source.digest(known)

    with ThreadPoolExecutor(_PARALLEL_BUILDS) as pool:
        futures = [pool.submit(prepare, service) for service in selected_services(application, options)]
    for future in futures:
        future.result()
    return found


def _current_source_hash(observed: Mapping[str, ObservedService], service: Service) -> str:
    """The source hash of the current container, for one that is recreated from the same image."""
    current = observed.get(service.name, ObservedService("", None, None)).current
    return current.labels.get(SOURCE_LABEL, "") if current else ""


def _reusable_image(
    engine: Engine,
    source: BuildSource,
    observed: Mapping[str, ObservedService],
    image_id: Callable[[str], str],
) -> str:
    """The image of the current container if it was built from the same source, else an empty string."""
    current = observed.get(source.service.name, ObservedService("", None, None)).current
    if current is None or not current.labels.get(SOURCE_LABEL):
        return ""
    if current.labels[SOURCE_LABEL] != source.digest(image_id):
        return ""
    return str(Containers(engine).raw(current.id).get("Image", ""))


def _image_ids(engine: Engine) -> Callable[[str], str]:
    """A function from the reference of an image to its ID on the device, empty if it is not there."""
    images = Images(engine)

    def image_id(reference: str) -> str:
        details = images.inspect(reference)
        return details.id if details else ""

    return image_id
