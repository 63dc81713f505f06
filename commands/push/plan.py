"""What `resin push --dry-run` says: what would be built, and how it would run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resin_toolkit.push.plan.container_spec import container_spec
from resin_toolkit.terminal.screen import Screen, human_size

if TYPE_CHECKING:
    from resin_toolkit.project.application import Application
    from resin_toolkit.push.plan.build_source import BuildSource
    from resin_toolkit.push.plan.platform import Platform


@dataclass(frozen=True)
class PushPlan:
    """What would be done."""

    host: str
    app: str
    machine: str
    arch: str
    services: tuple[Mapping[str, object], ...]

    def data(self) -> Mapping[str, object]:
        return {
            "device": self.host,
            "app": self.app,
            "device_type": self.machine or None,
            "arch": self.arch or None,
            "services": list(self.services),
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        board = ", ".join(word for word in (self.machine, self.arch) if word) or "a board that is not known"
        lines = [f"{self.app} on {self.host} ({board})"]
        for service in self.services:
            lines += ["", f"{service['service']}:", *_lines(service)]
        return "\n".join(lines)


def plan_of(
    host: str,
    platform: Platform,
    application: Application,
    sources: Mapping[str, BuildSource],
    socket: str = "",
) -> PushPlan:
    """What would be done for the services of an application; nothing is sent."""
    services = []
    for service in application.services:
        source = sources.get(service.name)
        body = container_spec(application, service, "", engine_socket=socket).body
        shown: dict[str, object] = {"service": service.name, "image": service.image, "run": _without(body)}
        if source is not None:
            size = source.context.size()
            shown["build"] = {
                "dockerfile": str(source.recipe.path),
                "context": str(source.context.root),
                "bytes": size.bytes,
                "files": size.files,
                "target": source.target or None,
                "args": sorted(source.args),
                "advice": size.advice() or None,
            }
        services.append(shown)
    return PushPlan(host, application.name, platform.machine, platform.arch, tuple(services))


def _without(body: Mapping[str, object]) -> Mapping[str, object]:
    """The settings of the container without what push adds; of variables only the names: some are secrets."""
    shown = {key: value for key, value in body.items() if key not in ("Labels", "Image")}
    environment = body.get("Env")
    if isinstance(environment, list):
        shown["Env"] = [str(each).partition("=")[0] for each in environment]
    return shown


def _lines(service: Mapping[str, object]) -> list[str]:
    build, run = service.get("build"), service["run"]
    lines = []
    if isinstance(build, dict):
        size = f"{human_size(build['bytes'])}, {build['files']} files"
        lines.append(f"  build    {build['dockerfile']}")
        lines.append(f"  context  {build['context']}: {size}")
        lines += [f"  stage    {build['target']}"] if build["target"] else []
        lines += [f"  large    {build['advice']}"] if build["advice"] else []
    else:
        lines.append(f"  image    {service['image']}")
    assert isinstance(run, Mapping)
    host = run.get("HostConfig")
    for name, value in (*run.items(), *(host.items() if isinstance(host, Mapping) else ())):
        if name not in ("HostConfig", "NetworkingConfig") and value:
            lines.append(f"  {name}: {_shown(value)}")
    return lines


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" if inner else str(key) for key, inner in value.items())
    return str(value)
