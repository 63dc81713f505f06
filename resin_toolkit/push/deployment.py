"""A whole push: what was left is put in order, images are made, containers are changed, leftovers go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.images import Images
from resin_toolkit.errors import EngineFailed, Notice, Unreachable
from resin_toolkit.project.application import Application, Service
from resin_toolkit.project.names import SOURCE_LABEL
from resin_toolkit.push.apply.built_images import entries, images_of, stale, used
from resin_toolkit.push.apply.events import DeploymentListener
from resin_toolkit.push.apply.image_build import BuildResult, build_image
from resin_toolkit.push.apply.image_cleanup import remove_unused_images
from resin_toolkit.push.apply.image_fetch import fetch_image
from resin_toolkit.push.apply.reconciler import Reconciler, ServiceDeployment
from resin_toolkit.push.apply.recovery import recover
from resin_toolkit.push.apply.replacement import ContainerReplacer
from resin_toolkit.push.plan.build_source import BuildSource, read_build_source
from resin_toolkit.push.plan.observed_state import ObservedService
from resin_toolkit.push.plan.platform import Platform
from resin_toolkit.push.plan.start_order import start_levels
from resin_toolkit.push.transfer.link_rate import LinkRate

_SIDE_BY_SIDE = 3
_STALE = 1.0
"""Seconds after which it is looked again what is there: somebody else may have pushed during a build."""


@dataclass(frozen=True)
class PushOptions:
    """How it is pushed. `services` are those that are brought, all if empty; `grace` is in seconds."""

    services: frozenset[str] = frozenset()
    dockerfile: str | None = None
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False
    pull: bool = False
    rollback: bool = True
    grace: float | None = None
    cache: Path | None = None
    """A folder for what is remembered of files, so that they need not be read again."""
    link: LinkRate = field(default_factory=LinkRate)
    live: bool = False
    """Whether what the `#dev-` lines of a Dockerfile say is built, too."""


@dataclass(frozen=True)
class Deployment:
    """What became of it. `sources` are those that were built from, by service."""

    services: tuple[ServiceDeployment, ...]
    sources: Mapping[str, BuildSource]
    leftovers: int
    seconds: float


@dataclass
class _Images:
    """The images of an application's services, and the hash of what each was built from."""

    ids: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=dict)
    """Of each service that was built now, the images that its build stands on."""


def read_build_sources(
    application: Application, platform: Platform, options: PushOptions
) -> dict[str, BuildSource]:
    """What is built, by service. Raises what `read_build_source` raises, before anything is done."""
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
        )
        for service in selected_services(application, options)
        if service.build is not None
    }


def selected_services(application: Application, options: PushOptions) -> list[Service]:
    """The services that are brought."""
    return [s for s in application.services if not options.services or s.name in options.services]


def deploy(
    engine: Engine,
    application: Application,
    sources: Mapping[str, BuildSource],
    listener: DeploymentListener,
    options: PushOptions,
    built: set[str] | None = None,
) -> Deployment:
    """Bring an application to a device. What ran before runs on until all images are there.

    `built` are the images that builds have made on the way, here and before, as entries of `built.py`: what
    is made is added, and what nothing stands on any more is removed from the device and from it.

    Raises BuildFailed, PushFailed, Refused, EngineFailed, Unreachable.
    """
    started = time.monotonic()
    start_levels(application.services)
    replacer = ContainerReplacer(engine, listener, grace=options.grace, rollback=options.rollback)
    observed = recover(engine, application.name, replacer, listener.step)
    looked = time.monotonic()
    built = set() if built is None else built
    images = _images(engine, application, sources, observed, listener, options, built)
    if time.monotonic() - looked > _STALE:
        observed = recover(engine, application.name, replacer, listener.step)
    reconciler = Reconciler(
        engine,
        application,
        images.ids,
        observed,
        lambda service: replacer.with_source_hash(
            images.hashes.get(service.name) or _source_before(observed, service)
        ),
        listener.step,
        options.grace,
    )
    services = reconciler.run(only=options.services)
    used(built, images.seen)
    gone = stale(built, images.seen, [service.name for service in application.services])
    removed = _cleaned(engine, application, images_of(gone) - images_of(built - gone), listener)
    if removed is not None:
        built -= gone
    return Deployment(tuple(services), sources, removed or 0, time.monotonic() - started)


def _cleaned(
    engine: Engine, application: Application, gone: Iterable[str], listener: DeploymentListener
) -> int | None:
    """How many images were removed; None where that did not succeed, which undoes nothing of the push."""
    try:
        return remove_unused_images(engine, application, gone)
    except (EngineFailed, Unreachable) as error:
        listener.warn(
            Notice("not-cleaned", f"All runs as it was pushed; old images were not removed: {error.message}")
        )
        return None


def _images(
    engine: Engine,
    application: Application,
    sources: Mapping[str, BuildSource],
    observed: Mapping[str, ObservedService],
    listener: DeploymentListener,
    options: PushOptions,
    built: set[str],
) -> _Images:
    """All images, built side by side. The first failure is raised once all have ended."""
    found = _Images()
    known = _known_images(engine)

    def one(service: Service) -> None:
        source = sources.get(service.name)
        if source is None:
            found.ids[service.name] = fetch_image(engine, service, listener, pull=options.pull)
            return
        image = "" if options.no_cache or options.pull else _kept(engine, source, observed, known)
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
                    runs_on=service.name in observed,
                )
            finally:
                built.update(entries(service.name, result.made))
            found.seen[service.name] = result.seen
        found.ids[service.name] = result.image
        found.hashes[service.name] = source.digest(known)

    wanted = selected_services(application, options)
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        futures = [pool.submit(one, service) for service in wanted]
    for future in futures:
        future.result()
    return found


def _source_before(observed: Mapping[str, ObservedService], service: Service) -> str:
    """What the image of a container came of that is made anew with the same image."""
    current = observed.get(service.name, ObservedService("", None, None)).current
    return current.labels.get(SOURCE_LABEL, "") if current else ""


def _kept(
    engine: Engine,
    source: BuildSource,
    observed: Mapping[str, ObservedService],
    image_of: Callable[[str], str],
) -> str:
    """The image of the container that is there, if it has come of the same source; else nothing."""
    current = observed.get(source.service.name, ObservedService("", None, None)).current
    if current is None or not current.labels.get(SOURCE_LABEL):
        return ""
    if current.labels[SOURCE_LABEL] != source.digest(image_of):
        return ""
    return str(Containers(engine).raw(current.id).get("Image", ""))


def _known_images(engine: Engine) -> Callable[[str], str]:
    images = Images(engine)

    def image_of(reference: str) -> str:
        details = images.inspect(reference)
        return details.id if details else ""

    return image_of
