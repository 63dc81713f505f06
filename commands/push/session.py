"""One run of `resin push`: the device, the project, the push, and what goes on after it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from commands.common.device import VARIABLE, DeviceOptions, find_device
from commands.common.engine import open_engine
from commands.push.progress import Told
from commands.push.project import Typed, application_of, pairs_of, read_project
from commands.push.result import PushResult, summary
from resin_toolkit.device.record import Device
from resin_toolkit.device.service_cache import keep_services
from resin_toolkit.errors import BuildFailed, ImageNotFound, Interrupted, PushFailed, ResinError
from resin_toolkit.project.single_service import MAIN
from resin_toolkit.push.apply.image_build import LinkRate
from resin_toolkit.push.apply.image_cleanup import BuiltImages
from resin_toolkit.push.deployment import Deployment, PushOptions, deploy, read_build_sources
from resin_toolkit.push.plan.platform import Platform, detect_platform, engine_socket_path
from resin_toolkit.push.plan.start_order import with_dependencies
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from pathlib import Path

    from commands.push.plan import PushPlan
    from resin_toolkit.engine import Engine
    from resin_toolkit.live.session import ProjectSnapshot
    from resin_toolkit.project.application import Application


class Session:
    """What was typed, and all that is found out of it."""

    def __init__(
        self,
        report: Report,
        typed: Typed,
        options: DeviceOptions,
        device: str | None,
        *,
        live: bool | None,
        detach: bool,
        no_cache: bool,
        pull: bool,
        rollback: bool,
    ) -> None:
        self.report = report
        self.typed = typed
        self.project = read_project(typed)
        self._options = options
        self._word = device
        self.detach = detach
        enabled = self.project.settings.live.enabled
        self.live = (enabled is not False if live is None else live) and not detach and typed.image is None
        self.push_options = PushOptions(
            services=frozenset(typed.services),
            dockerfile=typed.dockerfile,
            target=typed.target or "",
            build_args=pairs_of(typed.build_args, "--build-arg"),
            no_cache=no_cache,
            pull=pull,
            rollback=rollback,
            grace=self.project.settings.run.grace,
            cache=self.project.memory.folder,
        )

    def run(self) -> PushResult:
        """Push, and go on as it is wanted."""
        device = self.find()
        with open_engine(self.report, device) as engine:
            platform = self.platform(engine, device)
            if self.typed.image:
                self.typed = replace(self.typed, image=self._sent(engine, self.typed.image))
            application = self._application(platform)
            before = self.look(application, platform) if self.live else None
            pushed = self.deploy(engine, application, platform)
            result = self.result(engine.host, application, pushed)
            keep_services(engine.host, (service.name for service in application.services))
        if self.detach:
            return result
        self.report.say(summary(result.app, result.host, result.services, result.seconds))
        from commands.push.live import follow

        batches = follow(self, device, application, platform, pushed, before)
        return replace(result, batches=batches)

    def dry_run(self) -> PushPlan:
        """What would be built and run."""
        from commands.push.plan import plan_of

        device = self.find()
        with open_engine(self.report, device) as engine:
            platform = self.platform(engine, device)
            application = self._application(platform)
            sources = read_build_sources(application, platform, self.options_now())
            return plan_of(engine.host, platform, application, sources, engine_socket_path(engine.facts))

    # the parts

    def _application(self, platform: Platform) -> Application:
        """The application; with services that are named, what they depend on is brought, too."""
        application = application_of(self.project, self.typed, platform)
        services = with_dependencies(application.services, self.typed.services)
        self.push_options = replace(self.push_options, services=services)
        return application

    def _sent(self, engine: Engine, word: str) -> str:
        """What the image is called on the device, once it is there: sent from here, else for it to fetch."""
        from resin_toolkit.push.transfer.images import send_image

        try:
            return send_image(engine, word, Told(self.report, several=False), MAIN)
        except ImageNotFound as error:
            if word.startswith((".", "/", "~")):
                raise
            self.report.say(f"{error.message} The device looks for it.")
            return word

    def look(
        self, application: Application, platform: Platform, services: frozenset[str] | None = None
    ) -> ProjectSnapshot:
        """The project's folders as they are before it is pushed: what changes meanwhile is not lost.

        Of some `services` alone without the files that say what the application is.
        """
        from resin_toolkit.live.session import ProjectSnapshot

        options = self.options_now()
        files = self.project_files(application) if services is None else []
        options = options if services is None else replace(options, services=services)
        return ProjectSnapshot.of(
            read_build_sources(application, platform, options), self.project.settings.live.ignore, files
        )

    def read_again(self, platform: Platform) -> Application:
        """The application, by the project's files as they are now."""
        # Where it was found: this process may lie in a folder that goes by another name by now.
        self.project = read_project(replace(self.typed, source=self.project.folder))
        return self._application(platform)

    def project_files(self, application: Application) -> list[Path]:
        """The files that say what the application is."""
        from resin_toolkit.project.settings import FILE

        folder = self.project.settings.context
        own = [self.project.folder / FILE, folder / ".env"] if self.project.compose else []
        return list(dict.fromkeys([*application.files, *own, self.project.folder / FILE]))

    def find(self) -> Device:
        """The device: the one named, else RESIN_DEVICE, else the project's, else one on the network."""
        word = self._word or os.environ.get(VARIABLE) or self.project.settings.device or None
        return find_device(self.report, word or self._remembered(), self._options)

    def _remembered(self) -> str | None:
        """The device of the last push, if the project lies elsewhere than where the user is."""
        from resin_toolkit.project.project_state import project_around

        around = project_around(self.project.folder)
        here = project_around(self.project.folder.cwd())
        if around is None or (here is not None and here.folder == around.folder):
            return None
        return around.device or None

    def platform(self, engine: Engine, device: Device) -> Platform:
        """The platform of the device; detected once for each engine, and remembered by the project."""
        named = self.typed.device_type or self.project.settings.device_type
        return detect_platform(engine, named, lambda: self._device_type(engine, device))

    def _device_type(self, engine: Engine, device: Device) -> str:
        memory = self.project.memory
        known = memory.kind_of(engine.facts.id)
        if known is not None:
            return known
        from resin_toolkit.reach.device_info import probe

        slug = probe(device).device_type
        if slug and engine.facts.id:
            self.report.warn(*memory.remember(kind=(engine.facts.id, slug)))
        return slug

    def options_now(self) -> PushOptions:
        """How it is pushed, with what only a live project has in its Dockerfile."""
        return replace(self.push_options, live=self.live)

    def deploy(
        self,
        engine: Engine,
        application: Application,
        platform: Platform,
        *,
        services: frozenset[str] | None = None,
    ) -> Deployment:
        """Push all that is wanted, or some `services`; what failed is shown with its last lines."""
        options = self.options_now()
        if services is not None:
            options = replace(options, services=services)
        told = Told(self.report, several=len(application.services) > 1)
        self.report.warn(*application.notices)
        names = ", ".join(service.name for service in application.services)
        self.report.if_interrupted = Interrupted(
            f"Interrupted: of {names} the old container runs on, or the new one does; push again to be sure."
        )
        sources = read_build_sources(application, platform, options)
        memory = self.project.memory
        built = BuiltImages(memory.built)
        link = LinkRate(memory.rate_to(engine.facts.id))
        options = replace(options, link=link)
        self.report.warn(*memory.remember(device=self._device_word(engine), app=application.name))
        try:
            return deploy(engine, application, sources, told, options, built)
        except (BuildFailed, PushFailed) as error:
            show_last_lines(error, told)
            raise
        finally:
            rate = (engine.facts.id, link.known) if link.known and engine.facts.id else None
            self.report.warn(*memory.remember(built=sorted(built.entries), rate=rate))

    def result(self, host: str, application: Application, pushed: Deployment) -> PushResult:
        services = tuple(_service_data(brought) for brought in pushed.services)
        return PushResult(host, application.name, services, pushed.removed_images, pushed.seconds)

    def _device_word(self, engine: Engine) -> str:
        return self._word or os.environ.get(VARIABLE) or engine.host


def show_last_lines(error: ResinError, told: Told) -> None:
    """What a build or a container wrote before it failed."""
    lines = error.facts.get("lines")
    service = error.facts.get("service")
    if isinstance(lines, list) and lines:
        told.lines(str(service or ""), [str(line) for line in lines])


def _service_data(brought: object) -> Mapping[str, object]:
    from resin_toolkit.push.apply.reconciler import ServiceDeployment

    assert isinstance(brought, ServiceDeployment)
    return {
        "service": brought.service,
        "change": brought.change.value,
        "container": brought.container or None,
        "image": brought.image or None,
    }
