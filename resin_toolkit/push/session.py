"""A project that is pushed to a device, and pushed again as its files change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.errors import Notice
from resin_toolkit.project.access import ProjectAccess
from resin_toolkit.project.application import Application
from resin_toolkit.project.single_service import MAIN_SERVICE
from resin_toolkit.push.apply.image_build import LinkRate
from resin_toolkit.push.apply.image_cleanup import BuiltImages
from resin_toolkit.push.apply.listener import DeploymentListener
from resin_toolkit.push.deployment import Deployment, PushOptions, deploy, read_build_sources
from resin_toolkit.push.plan.build_source import BuildSource
from resin_toolkit.push.plan.platform import Platform, detect_platform
from resin_toolkit.push.plan.start_order import with_dependencies
from resin_toolkit.push.project import (
    Project,
    ProjectOverrides,
    load_application,
    note_build_files,
    project_files,
    read_project,
)


class PushSession:
    """One project and one device. `application` and `platform` are known after `prepare`.

    `warn` receives notices that belong to no deployment. `check` is called before anything is sent, with what
    the project takes from this machine: it raises NotTrusted if the user has not agreed to that.
    """

    application: Application
    platform: Platform

    def __init__(
        self,
        project: Project,
        overrides: ProjectOverrides,
        options: PushOptions,
        warn: Callable[[Notice], object],
        check: Callable[[ProjectAccess], object] = lambda _: None,
    ) -> None:
        self.project = project
        self.options = options
        self._overrides = overrides
        self._warn = warn
        self._check = check
        self._is_loaded = False

    def send_image(self, engine: Engine, listener: DeploymentListener, memory_limit: int) -> None:
        """Send the image of the overrides, which then goes by the name it has on the device.

        Decompressing an archive may take `memory_limit` bytes.
        Raises ImageNotFound if there is neither such a file nor such an image on this workstation.
        """
        from resin_toolkit.push.transfer.images import send_image

        if self._overrides.image:
            image = send_image(engine, self._overrides.image, listener, MAIN_SERVICE, memory_limit)
            self._overrides = replace(self._overrides, image=image)

    def load(self) -> ProjectAccess:
        """Load the application as far as that is possible without a device; return what it takes from here.

        Raises what `load_application` raises.
        """
        application = load_application(self.project, self._overrides, Platform((), ""))
        note_build_files(application, self.options.dockerfile, self.project.access, live=self.options.live)
        if self.project.compose_files:
            # It is the same for every device.
            self.application, self._is_loaded = application, True
        return self.project.access

    def prepare(self, engine: Engine, detect_type: Callable[[], str]) -> None:
        """Determine the platform and load the application.

        `detect_type` returns the device type, or an empty string; its result is remembered for each engine.
        Raises what `detect_platform` and `load_application` raise.
        """
        named = self._overrides.device_type or self.project.settings.device_type
        self.platform = detect_platform(engine, named, lambda: self._device_type(engine, detect_type))
        if self._is_loaded:
            self._select_services()
        else:
            self._load()

    def reload(self) -> None:
        """Read the project's files again. Raises what `read_project` and `load_application` raise."""
        # By its absolute path: the working directory may go by another name by now.
        self.project = read_project(replace(self._overrides, folder=self.project.folder))
        self._load()

    def _load(self) -> None:
        self.application = load_application(self.project, self._overrides, self.platform)
        self._select_services()

    def _select_services(self) -> None:
        services = with_dependencies(self.application.services, self._overrides.services)
        self.options = replace(self.options, services=services)

    def files(self) -> list[Path]:
        """The files that define the application."""
        return project_files(self.project, self.application)

    def build_sources(self, services: frozenset[str] | None = None) -> dict[str, BuildSource]:
        """What has to be built, by service, for all selected services or only some."""
        options = self.options if services is None else replace(self.options, services=services)
        return read_build_sources(self.application, self.platform, options, self.project.access)

    def deploy(
        self,
        engine: Engine,
        listener: DeploymentListener,
        device_name: str,
        services: frozenset[str] | None = None,
    ) -> Deployment:
        """Deploy the selected services, or only some; the project remembers the device as `device_name`.

        Raises what `deployment.deploy` raises.
        """
        options = self.options if services is None else replace(self.options, services=services)
        for notice in self.application.notices:
            self._warn(notice)
        sources = read_build_sources(self.application, self.platform, options, self.project.access)
        # What has been read by now is what is sent.
        self._check(self.project.access)
        memory = self.project.memory
        built = BuiltImages(memory.built)
        link = LinkRate(memory.link_rate_to(engine.facts.id))
        self._remember(device=device_name, app=self.application.name)
        try:
            return deploy(engine, self.application, sources, listener, replace(options, link=link), built)
        finally:
            rate = (engine.facts.id, link.known) if link.known and engine.facts.id else None
            self._remember(built=sorted(built.entries), rate=rate)

    def _device_type(self, engine: Engine, detect_type: Callable[[], str]) -> str:
        known = self.project.memory.device_type_of(engine.facts.id)
        if known is not None:
            return known
        slug = detect_type()
        if slug and engine.facts.id:
            self._remember(device_type=(engine.facts.id, slug))
        return slug

    def _remember(self, **facts: object) -> None:
        for notice in self.project.memory.remember(**facts):  # type: ignore[arg-type]
            self._warn(notice)
