"""A preview of a push: what it would build and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.project.context_size import ContextSize
from resin_toolkit.project.context_walk import printable_path
from resin_toolkit.push.plan.build_source import BuildSource
from resin_toolkit.push.plan.container_spec import container_spec
from resin_toolkit.push.plan.platform import Platform, engine_socket_path
from resin_toolkit.push.session import PushSession
from resin_toolkit.terminal.screen import Screen, format_size


@dataclass(frozen=True)
class BuildPreview:
    """The build of a service. `target` is a stage, empty for the last; `args` are the names of arguments."""

    dockerfile: Path
    context: Path
    size: ContextSize
    target: str
    args: tuple[str, ...]

    def data(self) -> Mapping[str, object]:
        return {
            "dockerfile": str(self.dockerfile),
            "context": str(self.context),
            "bytes": self.size.bytes,
            "files": self.size.files,
            "target": self.target or None,
            "args": list(self.args),
            "advice": self.size.advice() or None,
        }

    def lines(self) -> list[str]:
        size = f"{format_size(self.size.bytes)}, {self.size.files} files"
        lines = [f"  build    {self.dockerfile}", f"  context  {self.context}: {size}"]
        lines += [f"  stage    {self.target}"] if self.target else []
        lines += [f"  large    {self.size.advice()}"] if self.size.advice() else []
        return lines


@dataclass(frozen=True)
class ServicePreview:
    """A service. `container` are its settings in the engine's terms, with the names of variables only."""

    service: str
    image: str | None
    container: Mapping[str, object]
    build: BuildPreview | None

    def data(self) -> Mapping[str, object]:
        data: dict[str, object] = {"service": self.service, "image": self.image, "run": self.container}
        if self.build is not None:
            data["build"] = self.build.data()
        return data

    def lines(self) -> list[str]:
        lines = self.build.lines() if self.build is not None else [f"  image    {self.image}"]
        host = self.container.get("HostConfig")
        for name, value in (*self.container.items(), *(host.items() if isinstance(host, Mapping) else ())):
            if name not in ("HostConfig", "NetworkingConfig") and value:
                lines.append(f"  {name}: {_value_text(value)}")
        return lines


@dataclass(frozen=True)
class PushPreview:
    """An application on a device."""

    host: str
    app: str
    platform: Platform
    services: tuple[ServicePreview, ...]
    outside: tuple[str, ...] = ()
    """The files and folders outside the project that it uses."""
    variables: tuple[str, ...] = ()
    """The variables of this machine's environment whose values would be sent."""
    variables_in_names: tuple[str, ...] = ()
    """Variables that only name an image, a port, or a file of this machine."""

    def data(self) -> Mapping[str, object]:
        """The preview for JSON."""
        return {
            "device": self.host,
            "app": self.app,
            "device_type": self.platform.machine or None,
            "arch": self.platform.arch or None,
            "services": [service.data() for service in self.services],
            "outside": list(self.outside),
            "variables": list(self.variables),
            "variables_in_names": list(self.variables_in_names),
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        """The preview as text."""
        known = ", ".join(word for word in (self.platform.machine, self.platform.arch) if word)
        lines = [f"{self.app} on {self.host} ({known or 'unknown device type'})"]
        lines += [f"  outside    {printable_path(path)}" for path in self.outside]
        lines += [f"  variable   {name}" for name in self.variables]
        lines += [f"  variable   {name} (only in names)" for name in self.variables_in_names]
        for service in self.services:
            lines += ["", f"{service.service}:", *service.lines()]
        return "\n".join(lines)


def preview_push(engine: Engine, session: PushSession) -> PushPreview:
    """What `session.deploy` would do. Raises what `build_sources` raises."""
    application, sources = session.application, session.build_sources()
    socket = engine_socket_path(engine.facts)
    services = tuple(
        ServicePreview(
            service.name,
            service.image,
            _public_settings(container_spec(application, service, "", engine_socket=socket).body),
            _build_preview(sources[service.name]) if service.name in sources else None,
        )
        for service in application.services
    )
    access = session.project.access
    return PushPreview(
        engine.host,
        application.name,
        session.platform,
        services,
        tuple(access.paths),
        tuple(access.variables),
        tuple(access.mentioned),
    )


def _build_preview(source: BuildSource) -> BuildPreview:
    return BuildPreview(
        source.recipe.path,
        source.context.root,
        source.context.size(),
        source.target,
        tuple(sorted(source.args)),
    )


def _public_settings(body: Mapping[str, object]) -> Mapping[str, object]:
    """Without what push adds, and without the values of variables: some are secrets."""
    shown = {key: value for key, value in body.items() if key not in ("Labels", "Image")}
    environment = body.get("Env")
    if isinstance(environment, list):
        shown["Env"] = [str(each).partition("=")[0] for each in environment]
    return shown


def _value_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" if inner else str(key) for key, inner in value.items())
    return str(value)
