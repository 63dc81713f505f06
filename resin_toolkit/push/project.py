"""A project folder as it is pushed: its settings and services, with overrides from the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resin_toolkit.errors import BadValue, PathNotFound, ResinError, ServiceNotFound, from_os_error

if TYPE_CHECKING:
    from resin_toolkit.project.access import ProjectAccess
    from resin_toolkit.project.application import Application
    from resin_toolkit.project.project_state import ProjectState
    from resin_toolkit.project.settings import Settings
    from resin_toolkit.push.plan.platform import Platform


@dataclass(frozen=True)
class ProjectOverrides:
    """Settings that take precedence over those of the project; None and empty values override nothing."""

    folder: Path = Path()
    """The project's folder."""
    name: str | None = None
    """The application's name on the device."""
    services: tuple[str, ...] = ()
    """The services to push; all if empty."""
    environment: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[Path, ...] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    dockerfile: str | None = None
    target: str | None = None
    device_type: str | None = None
    image: str | None = None
    """An image that is sent instead of a build: its name, or the path of an archive."""


@dataclass(frozen=True)
class Project:
    """A project folder and its settings."""

    folder: Path
    settings: Settings
    memory: ProjectState
    compose_files: tuple[Path, ...]
    """Empty for a project of one service."""
    access: ProjectAccess
    """What it takes from this machine, as far as it was read."""


def read_project(overrides: ProjectOverrides) -> Project:
    """Read the settings of a project. Raises PathNotFound, BadValue."""
    from resin_toolkit.compose.file_search import find_compose_files
    from resin_toolkit.project.access import ProjectAccess
    from resin_toolkit.project.project_state import ProjectState
    from resin_toolkit.project.settings import FILE, read_settings

    if not overrides.folder.is_dir():
        raise PathNotFound(
            f"The folder {overrides.folder} does not exist.", hint="Name the project's folder with --source."
        )
    folder = Path(os.path.abspath(overrides.folder))  # noqa: PTH100 - the target of a link has another name
    access = ProjectAccess(folder)
    settings = read_settings(folder, access.read)
    if overrides.image is None:
        access.note(settings.context, f"source in {FILE}")
    is_single = overrides.image is not None or overrides.dockerfile is not None
    compose_files = () if is_single else tuple(find_compose_files(settings.context))
    if not compose_files and not is_single and settings.dockerfile is None:
        _check_buildable(settings.context)
    return Project(folder, settings, ProjectState(folder), compose_files, access)


def _check_buildable(folder: Path) -> None:
    """Raise PathNotFound if there is nothing to build for any device."""
    from resin_toolkit.project.dockerfile_choice import PLAIN, choose_dockerfile

    if not any(folder.glob(f"{PLAIN}*")):
        choose_dockerfile(folder)


def load_application(project: Project, overrides: ProjectOverrides, platform: Platform) -> Application:
    """The application for a device of this platform. Raises ComposeInvalid, BadValue, ServiceNotFound."""
    from resin_toolkit.compose.consistency import check_port_conflicts
    from resin_toolkit.compose.loader import load_application
    from resin_toolkit.project.names import checked_app_name
    from resin_toolkit.project.single_service import single_application, single_service

    settings = project.settings
    name = checked_app_name(overrides.name) if overrides.name else settings.app_name
    if project.compose_files:
        application = load_application(
            settings.context,
            None,
            environment=os.environ,
            name=name,
            services=overrides.services,
            access=project.access,
        )
        application = replace(application, name=name)
        check_port_conflicts(application)
    else:
        service = single_service(
            settings, name, device_type=platform.machine, arch=platform.arch, image=overrides.image
        )
        application = single_application(settings, service, name)
    _check_services(application, overrides.services)
    return _with_environment(application, overrides, project.access)


def note_build_files(
    application: Application, dockerfile: str | None, access: ProjectAccess, *, live: bool
) -> None:
    """Note the files and folders of builds, as far as they are known without a device."""
    from resin_toolkit.project.dockerfile_choice import choose_dockerfile
    from resin_toolkit.project.ignore import read_ignore_rules

    for service in application.services:
        build = service.build
        if build is None:
            continue
        for rule in service.watch if live else ():
            access.note(rule.path, f"services.{service.name}.develop.watch")
        # What is wrong with them is reported once the device is known: it may have files of its own.
        with suppress(ResinError):
            recipe = choose_dockerfile(build.context, dockerfile or build.dockerfile, read=access.read)
            read_ignore_rules(build.context, recipe.name, access.read)


def project_files(project: Project, application: Application) -> list[Path]:
    """The files that define the application, whether they exist or not."""
    from resin_toolkit.project.settings import FILE

    settings_file = project.folder / FILE
    extra = [settings_file, project.settings.context / ".env"] if project.compose_files else []
    return list(dict.fromkeys([*application.files, *extra, settings_file]))


def _check_services(application: Application, names: Sequence[str]) -> None:
    known = [service.name for service in application.services]
    missing = [name for name in names if name not in known]
    if missing:
        raise ServiceNotFound(
            f"The project has no service {', '.join(missing)}.",
            hint=f"Its services are: {', '.join(known)}.",
        )


def _with_environment(
    application: Application, overrides: ProjectOverrides, access: ProjectAccess
) -> Application:
    """Set the variables of the overrides in the selected services, or in all."""
    variables: dict[str, str] = {}
    for path in overrides.env_files:
        variables |= read_env_file(path, access)
    variables |= overrides.environment
    if not variables:
        return application
    services = tuple(
        replace(service, environment={**service.environment, **variables})
        if not overrides.services or service.name in overrides.services
        else service
        for service in application.services
    )
    return replace(application, services=services)


def read_env_file(path: Path, access: ProjectAccess) -> dict[str, str]:
    """The variables of a file in compose's syntax; a name without a value takes that of the workstation.

    `access` notes what a file of the project takes; one from elsewhere is the user's own.
    """
    from resin_toolkit.compose import dotenv
    from resin_toolkit.compose.nodes import Location
    from resin_toolkit.compose.problems import Diagnostics

    try:
        text = access.read_named(path, "--env-file").decode("utf-8", "replace")
    except OSError as error:
        raise from_os_error(error, path) from error
    findings = Diagnostics()
    taken: dict[str, set[str]] = {}
    own = {name: (name,) for name, value in os.environ.items() if value}
    location = Location(str(path), 1, path.parent)
    read = dotenv.parse(text, location, os.environ, findings, origins=own, taken=taken)
    findings.raise_if_any()
    inherited = {name: os.environ.get(name) for name, value in read.items() if value is None}
    if access.includes(path):
        names = {name for uses in taken.values() for name in uses}
        names |= {name for name, value in inherited.items() if value}
        access.take(sorted(names), f"--env-file {path}")
    return {name: value for name, value in {**read, **inherited}.items() if value is not None}


def parse_variables(words: Sequence[str], option: str) -> dict[str, str]:
    """Variables given as `NAME=value`; as with docker, a name alone takes its value from the environment.

    `option` is named by the BadValue that a malformed one raises.
    """
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or any(character.isspace() for character in name):
            raise BadValue(f"{option} requires NAME=VALUE.", hint=f"For example: {option} COLOUR=blue.")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found
