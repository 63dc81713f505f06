"""What a push would build and run, without sending anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.project.context_size import ContextSize
from resin_toolkit.push.plan.build_source import BuildSource
from resin_toolkit.push.plan.container_spec import container_spec
from resin_toolkit.push.plan.platform import Platform, engine_socket_path
from resin_toolkit.push.session import PushSession


@dataclass(frozen=True)
class BuildPreview:
    """The build of a service. `target` is a stage, empty for the last; `args` are the names of arguments."""

    dockerfile: Path
    context: Path
    size: ContextSize
    target: str
    args: tuple[str, ...]


@dataclass(frozen=True)
class ServicePreview:
    """A service. `container` are its settings in the engine's terms, with the names of variables only."""

    service: str
    image: str | None
    container: Mapping[str, object]
    build: BuildPreview | None


@dataclass(frozen=True)
class PushPreview:
    """An application on a device."""

    host: str
    app: str
    platform: Platform
    services: tuple[ServicePreview, ...]


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
    return PushPreview(engine.host, application.name, session.platform, services)


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
