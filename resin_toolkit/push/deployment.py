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
from resin_toolkit.push.apply.events import Telling
from resin_toolkit.push.apply.image_build import Built, build_image
from resin_toolkit.push.apply.image_cleanup import remove_leftovers
from resin_toolkit.push.apply.image_fetch import fetched
from resin_toolkit.push.apply.reconciler import Bringing, Brought
from resin_toolkit.push.apply.recovery import put_in_order
from resin_toolkit.push.apply.replacement import Swap
from resin_toolkit.push.plan.build_source import Source, source_of
from resin_toolkit.push.plan.observed_state import Existing
from resin_toolkit.push.plan.platform import DeviceKind
from resin_toolkit.push.plan.start_order import levels
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
class Pushed:
    """What became of it. `sources` are those that were built from, by service."""

    brought: tuple[Brought, ...]
    sources: Mapping[str, Source]
    leftovers: int
    seconds: float


@dataclass
class _Images:
    """The images of an application's services, and the hash of what each was built from."""

    ids: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=dict)
    """Of each service that was built now, the images that its build stands on."""


def sources_of(application: Application, kind: DeviceKind, options: PushOptions) -> dict[str, Source]:
    """What is built, by service. Raises what `source_of` raises, before anything is done."""
    return {
        service.name: source_of(
            application,
            service,
            kind,
            dockerfile=options.dockerfile,
            target=options.target,
            args=options.build_args,
            cache=options.cache / f"{service.name}.hashes" if options.cache else None,
            live=options.live,
        )
        for service in chosen(application, options)
        if service.build is not None
    }


def chosen(application: Application, options: PushOptions) -> list[Service]:
    """The services that are brought."""
    return [s for s in application.services if not options.services or s.name in options.services]


def push(
    engine: Engine,
    application: Application,
    sources: Mapping[str, Source],
    telling: Telling,
    options: PushOptions,
    ledger: set[str] | None = None,
) -> Pushed:
    """Bring an application to a device. What ran before runs on until all images are there.

    `ledger` are the images that builds have made on the way, here and before, as entries of `ledger.py`: what
    is made is added, and what nothing stands on any more is removed from the device and from it.

    Raises BuildFailed, PushFailed, Refused, EngineFailed, Unreachable.
    """
    started = time.monotonic()
    levels(application.services)
    swap = Swap(engine, telling, grace=options.grace, rollback=options.rollback)
    existing = put_in_order(engine, application.name, swap, telling.step)
    looked = time.monotonic()
    ledger = set() if ledger is None else ledger
    images = _images(engine, application, sources, existing, telling, options, ledger)
    if time.monotonic() - looked > _STALE:
        existing = put_in_order(engine, application.name, swap, telling.step)
    bringing = Bringing(
        engine,
        application,
        images.ids,
        existing,
        lambda service: swap.of_source(images.hashes.get(service.name) or _source_before(existing, service)),
        telling.step,
        options.grace,
    )
    brought = bringing.go(only=options.services)
    used(ledger, images.seen)
    gone = stale(ledger, images.seen, [service.name for service in application.services])
    removed = _cleaned(engine, application, images_of(gone) - images_of(ledger - gone), telling)
    if removed is not None:
        ledger -= gone
    return Pushed(tuple(brought), sources, removed or 0, time.monotonic() - started)


def _cleaned(engine: Engine, application: Application, gone: Iterable[str], telling: Telling) -> int | None:
    """How many images were removed; None where that did not succeed, which undoes nothing of the push."""
    try:
        return remove_leftovers(engine, application, gone)
    except (EngineFailed, Unreachable) as error:
        telling.warn(
            Notice("not-cleaned", f"All runs as it was pushed; old images were not removed: {error.message}")
        )
        return None


def _images(
    engine: Engine,
    application: Application,
    sources: Mapping[str, Source],
    existing: Mapping[str, Existing],
    telling: Telling,
    options: PushOptions,
    ledger: set[str],
) -> _Images:
    """All images, built side by side. The first failure is raised once all have ended."""
    found = _Images()
    known = _known_images(engine)

    def one(service: Service) -> None:
        source = sources.get(service.name)
        if source is None:
            found.ids[service.name] = fetched(engine, service, telling, pull=options.pull)
            return
        image = "" if options.no_cache or options.pull else _kept(engine, source, existing, known)
        if image:
            telling.step(service.name, "nothing to build")
            built = Built(image)
        else:
            built = Built()
            source.read_files()
            try:
                build_image(
                    engine,
                    application.name,
                    source,
                    telling,
                    built,
                    options.link,
                    no_cache=options.no_cache,
                    pull=options.pull,
                    runs_on=service.name in existing,
                )
            finally:
                ledger.update(entries(service.name, built.made))
            found.seen[service.name] = built.seen
        found.ids[service.name] = built.image
        found.hashes[service.name] = source.digest(known)

    wanted = chosen(application, options)
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        futures = [pool.submit(one, service) for service in wanted]
    for future in futures:
        future.result()
    return found


def _source_before(existing: Mapping[str, Existing], service: Service) -> str:
    """What the image of a container came of that is made anew with the same image."""
    current = existing.get(service.name, Existing("", None, None)).current
    return current.labels.get(SOURCE_LABEL, "") if current else ""


def _kept(
    engine: Engine, source: Source, existing: Mapping[str, Existing], image_of: Callable[[str], str]
) -> str:
    """The image of the container that is there, if it has come of the same source; else nothing."""
    current = existing.get(source.service.name, Existing("", None, None)).current
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
