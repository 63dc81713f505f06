"""Files laid over each other, and services that begin as others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from resin_toolkit.compose.file_search import find_compose_files
from resin_toolkit.compose.merge import merge
from resin_toolkit.compose.nodes import to_plain
from resin_toolkit.compose.problems import Diagnostics
from resin_toolkit.compose.yaml_reader import read_yaml

from .conftest import Project


def merged(base: str, over: str) -> Any:
    first, second = (
        read_yaml(f"services: {{web: {text}}}", "c.yml", Path("/"), Diagnostics()) for text in (base, over)
    )
    assert first is not None
    assert second is not None
    found = to_plain(merge(first, second))
    assert isinstance(found, dict)
    return found["services"]["web"]


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ("{image: a, user: u}", "{image: b}", "{image: b, user: u}"),
        ("{image: a}", "{image: }", "{image: a}"),
        ("{command: [a]}", "{command: b}", "{command: b}"),
        ("{command: [a]}", "{command: }", "{command: }"),
        ("{entrypoint: [a]}", "{entrypoint: [b]}", "{entrypoint: [b]}"),
        ("{healthcheck: {test: [CMD, a], retries: 1}}", "{healthcheck: {test: [CMD, b]}}",
         "{healthcheck: {test: [CMD, b], retries: 1}}"),
        ("{environment: {A: 1, B: 2}}", "{environment: {B: 3}}", "{environment: {A: 1, B: 3}}"),
        ("{environment: [A=1, B=2]}", "{environment: {B: 3}}", "{environment: {A: '1', B: 3}}"),
        ("{environment: {A: 1}}", "{environment: [A, C=]}", "{environment: {A: , C: ''}}"),
        ("{environment: {command: [a]}}", "{environment: {command: b}}", "{environment: {command: b}}"),
        ("{environment: {dns: a, A: 1}}", "{environment: {dns: b, A: }}", "{environment: {dns: b, A: }}"),
        ("{networks: {command: {aliases: [a]}}}", "{networks: {command: {aliases: [b]}}}",
         "{networks: {command: {aliases: [a, b]}}}"),
        ("{labels: [a=1]}", "{labels: [a=2, b]}", "{labels: {a: '2', b: }}"),
        ("{build: ./a}", "{build: {target: t}}", "{build: {context: ./a, target: t}}"),
        ("{build: {target: t}}", "{build: ./a}", "{build: {context: ./a, target: t}}"),
        ("{build: {args: [A=1]}}", "{build: {args: {B: 2}}}", "{build: {args: {A: '1', B: 2}}}"),
        ("{dns: a}", "{dns: [a, b]}", "{dns: [a, b]}"),
        ("{cap_add: [A, B]}", "{cap_add: [B, C]}", "{cap_add: [A, B, C]}"),
        ("{env_file: a}", "{env_file: b}", "{env_file: [a, b]}"),
        ("{ports: ['80:80']}", "{ports: ['80:80/tcp', '81:80']}", "{ports: ['80:80/tcp', '81:80']}"),
        ("{ports: ['80:80']}", "{ports: [{target: 80, published: '80'}]}",
         "{ports: [{target: 80, published: '80'}]}"),
        ("{volumes: ['a:/x', 'b:/y']}", "{volumes: ['c:/x:ro']}", "{volumes: ['c:/x:ro', 'b:/y']}"),
        ("{volumes: ['a:/x']}", "{volumes: [{type: tmpfs, target: /x}]}",
         "{volumes: [{type: tmpfs, target: /x}]}"),
        ("{devices: ['/dev/a:/dev/x']}", "{devices: ['/dev/b:/dev/x']}", "{devices: ['/dev/b:/dev/x']}"),
        ("{depends_on: [a]}", "{depends_on: {b: {condition: service_healthy}}}",
         "{depends_on: {a: {condition: service_started}, b: {condition: service_healthy}}}"),
        ("{networks: [a]}", "{networks: {b: {aliases: [x]}}}", "{networks: {a: , b: {aliases: [x]}}}"),
        ("{extra_hosts: ['a:1.1.1.1']}", "{extra_hosts: {a: 2.2.2.2}}", "{extra_hosts: {a: 2.2.2.2}}"),
        ("{logging: {driver: a, options: {x: 1}}}", "{logging: {driver: b}}", "{logging: {driver: b}}"),
        ("{logging: {driver: a, options: {x: 1}}}", "{logging: {options: {y: 2}}}",
         "{logging: {driver: a, options: {x: 1, y: 2}}}"),
        ("{develop: {watch: [{path: a, action: sync}]}}", "{develop: {watch: [{path: a, action: rebuild}]}}",
         "{develop: {watch: [{path: a, action: rebuild}]}}"),
        ("{ports: ['80:80'], user: a}", "{ports: !reset []}", "{user: a}"),
        ("{environment: {A: 1, B: 2}}", "{environment: {A: !reset null}}", "{environment: {B: 2}}"),
        ("{ports: ['80:80']}", "{ports: !override ['81:81']}", "{ports: ['81:81']}"),
        ("{environment: {A: 1}}", "{environment: !override {B: 2}}", "{environment: {B: 2}}"),
        ("{user: a}", "{ports: !override ['81:81'], user: !reset x}", "{ports: ['81:81']}"),
    ],
)  # fmt: skip
def test_one_file_over_another(base: str, over: str, expected: str) -> None:
    assert merged(base, over) == yaml.safe_load(expected)


def test_a_problem_is_told_where_it_was_written(project: Project) -> None:
    project.write("services:\n  web:\n    image: x\n    deploy: {mode: a}\n    links: [a]\n", "compose.yaml")
    project.write("services:\n  web:\n\n    restart: soon\n    deploy: {mode: b}\n", "compose.override.yaml")
    assert sorted(project.problems()) == [
        (4, "services.web.restart is not a restart policy: soon"),
        (5, "services.web.deploy is not supported on a device"),
        (5, "services.web.links is not supported on a device"),
    ]


@pytest.mark.parametrize("name", ["labels", "command", "networks", "volumes", "services"])
def test_a_service_may_be_called_as_a_field(project: Project, name: str) -> None:
    project.write(f"services: {{{name}: {{image: x, labels: [a=1], cap_add: [A], command: a}}}}")
    project.write(
        f"services: {{{name}: {{labels: {{b: 2}}, cap_add: [A], command: b}}}}", "compose.override.yml"
    )
    service = project.load().services[0]
    assert (service.labels, service.cap_add, service.command) == ({"a": "1", "b": "2"}, ("A",), ("b",))


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], []),
        (["compose.override.yaml"], []),
        (["docker-compose.yml"], ["docker-compose.yml"]),
        (["docker-compose.yaml", "docker-compose.yml"], ["docker-compose.yml"]),
        (["compose.yml", "docker-compose.yml"], ["compose.yml"]),
        (["compose.yaml", "compose.yml"], ["compose.yaml"]),
        (["docker-compose.yml", "docker-compose.dev.yml"], ["docker-compose.yml", "docker-compose.dev.yml"]),
        (["docker-compose.yml", "docker-compose.dev.yaml", "docker-compose.override.yml"],
         ["docker-compose.yml", "docker-compose.override.yml", "docker-compose.dev.yaml"]),
        (["compose.yaml", "compose.override.yml"], ["compose.yaml", "compose.override.yml"]),
    ],
)  # fmt: skip
def test_the_files_of_a_folder(project: Project, there: list[str], expected: list[str]) -> None:
    for name in there:
        project.write("services: {}", name)
    assert [path.name for path in find_compose_files(project.folder)] == expected


def test_overlays_are_read_by_themselves_only_where_no_file_is_named(project: Project) -> None:
    project.write("services: {web: {image: x, user: a}}")
    project.write("services: {web: {user: b}}", "compose.override.yaml")
    assert project.load().services[0].user == "b"
    assert project.load(files=[project.folder / "compose.yaml"]).services[0].user == "a"


def test_a_service_begins_as_another_of_its_file(project: Project) -> None:
    application = project.load(
        """
        services:
          base: {image: x, environment: [A=1, B=1], ports: ['80:80'], command: a}
          middle: {extends: base, environment: {B: 2}}
          web:
            extends: {service: middle}
            command: b
            ports: !override ['81:81']
        """
    )
    web = application.services[2]
    assert (web.image, web.environment, web.command) == ("x", {"A": "1", "B": "2"}, ("b",))
    assert [port.host for port in web.ports] == [81]


def test_paths_of_another_file_start_from_its_folder(project: Project) -> None:
    project.write("A=common", "shared/common.env")
    (project.folder / "shared" / "app").mkdir()
    project.write("services: {base: {build: app, env_file: common.env, links: [x]}}", "shared/common.yml")
    text = "services:\n  web: {extends: {file: shared/common.yml, service: base}, links: !reset []}\n"
    application = project.load(text)
    service = application.services[0]
    assert service.build is not None
    assert service.build.context == (project.folder / "shared" / "app").resolve()
    assert service.environment == {"A": "common"}
    assert [path.name for path in application.files] == ["compose.yaml", "common.yml", "common.env"]


def test_a_link_to_a_file_is_a_file_of_its_own_folder(project: Project) -> None:
    (project.folder / "app").mkdir()
    project.write("services: {web: {build: app}}", "elsewhere/real.yml")
    (project.folder / "compose.yaml").symlink_to("elsewhere/real.yml")
    application = project.load()
    assert application.name == "kitchen"
    assert application.files == (project.folder / "compose.yaml",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("services:\n  a: {image: x, extends: b}\n  b: {extends: a}\n", "refers to itself"),
        (
            "services:\n  a: {extends: {file: none.yml, service: b}}\n",
            "none.yml cannot be read: no such file",
        ),
        ("services:\n  a:\n    extends: {file: compose.yaml, service: b}\n", "compose.yaml has no service b"),
    ],
)
def test_what_cannot_be_extended_is_told(project: Project, text: str, found: str) -> None:
    assert any(found in problem for _, problem in project.problems(text))
