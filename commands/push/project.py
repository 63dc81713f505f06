"""The project that is pushed: read from its files, with what was typed laid over it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resin_toolkit.errors import BadValue, PathNotFound, ServiceNotFound, Usage, from_os_error

if TYPE_CHECKING:
    from resin_toolkit.project.application import Application, Service
    from resin_toolkit.project.project_state import Memory
    from resin_toolkit.project.settings import Settings
    from resin_toolkit.push.plan.platform import Platform


@dataclass(frozen=True)
class Typed:
    """What the command line says of the project."""

    source: Path
    name: str | None
    services: tuple[str, ...]
    env: tuple[str, ...]
    env_files: tuple[Path, ...]
    build_args: tuple[str, ...]
    dockerfile: str | None
    target: str | None
    device_type: str | None
    image: str | None


@dataclass(frozen=True)
class Project:
    """A folder on the workstation, and what it says of itself."""

    folder: Path
    settings: Settings
    memory: Memory
    compose: tuple[Path, ...]
    """Its compose files; none for a single app."""

    @property
    def device_word(self) -> str:
        """The device that it names, else the one it was pushed to last."""
        return self.settings.device or self.memory.device

    def app_name(self, typed: str | None) -> str:
        from resin_toolkit.project.names import checked_app_name

        return checked_app_name(typed) if typed else self.settings.app_name


def read_project(typed: Typed) -> Project:
    """The project in a folder. Raises PathNotFound, BadValue."""
    from resin_toolkit.compose.file_search import find
    from resin_toolkit.project.project_state import Memory
    from resin_toolkit.project.settings import read_settings

    if not typed.source.is_dir():
        raise PathNotFound(f"There is no folder {typed.source}.", hint="--source names the project's folder.")
    folder = Path(os.path.abspath(typed.source))  # noqa: PTH100 - what links lead to has another name
    settings = read_settings(folder)
    is_single = typed.image is not None or typed.dockerfile is not None
    compose = () if is_single else tuple(find(settings.context))
    if not compose and not is_single and settings.dockerfile is None:
        _check_buildable(settings.context)
    return Project(folder, settings, Memory(folder), compose)


def _check_buildable(folder: Path) -> None:
    """Raise PathNotFound where nothing builds, whatever the device is."""
    from resin_toolkit.project.dockerfile_choice import PLAIN, choose

    if not any(folder.glob(f"{PLAIN}*")):
        choose(folder)


def application_of(project: Project, typed: Typed, platform: Platform) -> Application:
    """What is to run on a device of that platform. Raises ComposeInvalid, BadValue, ServiceNotFound."""
    from resin_toolkit.compose.loader import load
    from resin_toolkit.compose.port_conflicts import check_published
    from resin_toolkit.project.single_service import single_application, single_service

    name = project.app_name(typed.name)
    if project.compose:
        application = load(
            project.settings.context, None, environment=os.environ, name=name, services=typed.services
        )
        application = replace(application, name=name)
        check_published(application)
    else:
        service = single_service(
            project.settings, name, device_type=platform.machine, arch=platform.arch, image=typed.image
        )
        application = single_application(project.settings, service, name)
    _check_names(application, typed.services)
    return _with_environment(application, typed)


def pairs_of(words: Sequence[str], option: str) -> dict[str, str]:
    """`NAME=value` of each word; a name alone has the workstation's own value, as with docker."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or any(character.isspace() for character in name):
            raise BadValue(f"{option} takes NAME=VALUE.", hint=f"{option} COLOUR=blue, for example.")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found


def _check_names(application: Application, services: Sequence[str]) -> None:
    known = [service.name for service in application.services]
    missing = [name for name in services if name not in known]
    if missing:
        raise ServiceNotFound(
            f"The project has no service {', '.join(missing)}.", hint=f"It has: {', '.join(known)}."
        )


def _with_environment(application: Application, typed: Typed) -> Application:
    """What --env-file and --env give, to the services that are named, else to all."""
    given: dict[str, str] = {}
    for path in typed.env_files:
        given |= _env_file(path)
    given |= pairs_of(typed.env, "--env")
    if not given:
        return application
    chosen = [
        _given(service, given) if not typed.services or service.name in typed.services else service
        for service in application.services
    ]
    return replace(application, services=tuple(chosen))


def _given(service: Service, given: Mapping[str, str]) -> Service:
    return replace(service, environment={**service.environment, **given})


def _env_file(path: Path) -> dict[str, str]:
    """The variables of a file in compose's syntax; one that stands alone has the workstation's value."""
    from resin_toolkit.compose import dotenv
    from resin_toolkit.compose.nodes import Place
    from resin_toolkit.compose.problems import Findings

    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise from_os_error(error, path) from error
    findings = Findings()
    read = dotenv.parse(text, Place(str(path), 1, path.parent), os.environ, findings)
    findings.end_if_any()
    alone = {name: os.environ.get(name) for name, value in read.items() if value is None}
    return {name: value for name, value in {**read, **alone}.items() if value is not None}


def check_usage(typed: Typed, device: str | None) -> None:
    """Raise Usage for words that do not fit together, before anything is read."""
    if device and (device in (".", "..") or "/" in device) and Path(device).is_dir():
        raise Usage(
            f"{device} is a folder, and a device is wanted.",
            hint=f"`resin push --source {device}` says which project is pushed.",
        )
    if typed.image and (typed.dockerfile or typed.target or typed.build_args):
        raise Usage(
            "--image brings an image that is built already.",
            hint="Leave out --dockerfile, --target and --build-arg, or --image.",
        )
