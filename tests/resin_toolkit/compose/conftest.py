"""A folder in which a test writes compose files and loads them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from resin_toolkit.compose.loader import load_application
from resin_toolkit.errors import ComposeInvalid
from resin_toolkit.project.application import Application, Service


@dataclass(frozen=True)
class Project:
    folder: Path

    def write(self, text: str, name: str = "compose.yaml") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def load(
        self,
        text: str = "",
        *,
        environment: Mapping[str, str] | None = None,
        files: Sequence[Path] | None = None,
        services: Sequence[str] = (),
        name: str | None = None,
    ) -> Application:
        if text:
            self.write(text)
        return load_application(
            self.folder, files, environment=environment or {}, name=name, services=services
        )

    def web(self, body: str, top: str = "", **environment: str) -> Service:
        """The service `web`, made of an image and what `body` says; `top` comes below all services."""
        return self.load(service_file(body, top), environment=environment).services[0]

    def problems(self, text: str = "", **environment: str) -> list[tuple[int, str]]:
        """The line and the sentence of all that is wrong."""
        with pytest.raises(ComposeInvalid) as caught:
            self.load(text, environment=environment)
        found = caught.value.facts["problems"]
        assert isinstance(found, tuple)
        return [(problem.location.line, problem.text) for problem in found]


def service_file(body: str, top: str = "") -> str:
    lines = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return f"services:\n  web:\n    image: busybox\n{lines}\n{textwrap.dedent(top)}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "kitchen"
    folder.mkdir()
    return Project(folder)
