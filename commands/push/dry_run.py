"""The result of `resin push --dry-run`: what would be built and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resin_toolkit.push.preview import BuildPreview, PushPreview, ServicePreview
from resin_toolkit.terminal.screen import Screen, format_size


@dataclass(frozen=True)
class DryRunResult:
    """What would be done."""

    preview: PushPreview

    def data(self) -> Mapping[str, object]:
        platform = self.preview.platform
        return {
            "device": self.preview.host,
            "app": self.preview.app,
            "device_type": platform.machine or None,
            "arch": platform.arch or None,
            "services": [_service_data(service) for service in self.preview.services],
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        platform = self.preview.platform
        board = ", ".join(word for word in (platform.machine, platform.arch) if word) or "unknown device type"
        lines = [f"{self.preview.app} on {self.preview.host} ({board})"]
        for service in self.preview.services:
            lines += ["", f"{service.service}:", *_lines(service)]
        return "\n".join(lines)


def _service_data(service: ServicePreview) -> Mapping[str, object]:
    data: dict[str, object] = {"service": service.service, "image": service.image, "run": service.container}
    if service.build is not None:
        data["build"] = _build_data(service.build)
    return data


def _build_data(build: BuildPreview) -> Mapping[str, object]:
    return {
        "dockerfile": str(build.dockerfile),
        "context": str(build.context),
        "bytes": build.size.bytes,
        "files": build.size.files,
        "target": build.target or None,
        "args": list(build.args),
        "advice": build.size.advice() or None,
    }


def _lines(service: ServicePreview) -> list[str]:
    lines = []
    build = service.build
    if build is not None:
        size = f"{format_size(build.size.bytes)}, {build.size.files} files"
        lines.append(f"  build    {build.dockerfile}")
        lines.append(f"  context  {build.context}: {size}")
        lines += [f"  stage    {build.target}"] if build.target else []
        lines += [f"  large    {build.size.advice()}"] if build.size.advice() else []
    else:
        lines.append(f"  image    {service.image}")
    host = service.container.get("HostConfig")
    settings = (*service.container.items(), *(host.items() if isinstance(host, Mapping) else ()))
    for name, value in settings:
        if name not in ("HostConfig", "NetworkingConfig") and value:
            lines.append(f"  {name}: {_value_text(value)}")
    return lines


def _value_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" if inner else str(key) for key, inner in value.items())
    return str(value)
