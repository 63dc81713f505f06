"""What `docker-compose config` makes of the same files, where it and the specification agree.

Version 1.29 does not know `!reset`, `include` or `develop`, nor variables within variables.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from resin_toolkit.compose.loader import load_application
from resin_toolkit.project.application import Application, Service

VARIABLES = {"TAG": "3.19", "EMPTY": "", "WORD": "two words", "FROM_HERE": "workstation"}

INTERPOLATION = """
version: "3.8"
services:
  web:
    image: "busybox:${TAG}"
    command: echo "$$HOME" '$WORD' ${EMPTY:-empty} ${EMPTY-unset}. ${NOTHING-none}
    entrypoint: ["sh", "-c", "${TAG:?is needed} $$$$ ${TAG}"]
    environment:
      PLAIN: $TAG-x
      BRACES: ${TAG}x
      DOLLARS: $$TAG $$$TAG
      MESSAGE: ${WORD?why}
      FROM_HERE:
      NOWHERE:
      NUMBER: 8080
      BOOLEAN: "true"
      SAME_YES: "yes"
    labels: ["a=${TAG}", "b"]
"""
ANCHORS = """
version: "3.8"
x-logging: &logging
  driver: json-file
  options: {max-size: 10m, max-file: "3"}
x-base: &base
  image: busybox
  restart: unless-stopped
  logging: *logging
  environment: &variables
    TZ: UTC
    LEVEL: info
services:
  one:
    <<: *base
    user: "1000:1000"
  two:
    <<: [*base]
    restart: always
    environment:
      <<: *variables
      LEVEL: debug
  three:
    <<: *base
    environment: *variables
    cap_add: [NET_ADMIN]
    hostname: three
    working_dir: /srv
"""
BASE = """
version: "3.8"
services:
  web:
    image: busybox:1
    command: [a, b]
    environment: [A=1, B=2, KEPT=yes, FROM_HERE=base]
    labels: {one: "1", two: "2"}
    volumes: ["data:/data", "/old:/place"]
    cap_add: [NET_ADMIN]
    dns: 1.1.1.1
    restart: always
    healthcheck: {test: [CMD, first], retries: 3}
  db:
    image: postgres
    environment: {PW: base}
volumes: {data: {}}
"""
OVER = """
version: "3.8"
services:
  web:
    command: [c]
    environment: {B: over, C: "3", FROM_HERE: , dns: x}
    labels: [two=over, three=3]
    volumes: ["/new:/location:ro", "more:/more"]
    cap_add: [SYS_TIME]
    dns: [8.8.8.8]
    healthcheck: {test: [CMD, second]}
  extra:
    image: redis
    entrypoint: /bin/thing --flag 'a b'
volumes: {more: {}}
"""
ENV_FILES = """
version: "3.8"
services:
  web:
    image: busybox
    env_file: [one.env, two.env]
    environment: {OVER: environment}
  single:
    image: busybox
    env_file: one.env
"""
FILES = {
    "one.env": "A=one\nB=one # comment\n# all comment\n\nexport C=exported\n"
    "QUOTED=\"with # sign\"\nS='$TAG'\nOVER=file\n",
    "two.env": "A=two\nEMPTY_HERE=\nFROM_HERE\nSPACES = around\n",
    ".env": 'TAG=ignored\nFROM_DOTENV="in quotes"\nREFERRED=${FROM_DOTENV}-more\n',
}
DOTENV = """
version: "3.8"
services:
  web:
    image: busybox:$TAG
    environment: {A: "$FROM_DOTENV", B: "${REFERRED}", FROM_DOTENV: }
"""
EXTENDS = """
version: "2.4"
services:
  base:
    image: busybox
    command: sleep 1
    environment: {A: base, B: base}
    ports: ["80:80"]
  web:
    extends: {service: base}
    environment: {B: own}
    labels: {x: y}
"""


PROJECTS = Path(__file__).parent / "projects"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param((INTERPOLATION,), id="interpolation"),
        pytest.param((ANCHORS,), id="anchors"),
        pytest.param((BASE, OVER), id="merge"),
        pytest.param((OVER, BASE), id="merge-the-other-way"),
        pytest.param((ENV_FILES,), id="env-files"),
        pytest.param((DOTENV,), id="dotenv"),
        pytest.param((EXTENDS,), id="extends"),
        *(
            pytest.param(((PROJECTS / f"{name}.yml").read_text(encoding="utf-8"),), id=name)
            for name in ("sensors", "home", "tunnel")
        ),
    ],
)
def test_docker_compose_reads_the_same(folder: Path, texts: tuple[str, ...]) -> None:
    files = []
    for number, text in enumerate(texts):
        files.append(folder / f"{number}.yml")
        files[-1].write_text(text)
    ours = load_application(folder, files, environment=VARIABLES, name="judged")
    assert seen_by_us(ours) == seen_by_compose(folder, files)


def seen_by_compose(folder: Path, files: list[Path]) -> dict[str, Any]:
    words = [word for file in files for word in ("-f", str(file))]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **VARIABLES}
    done = subprocess.run(
        ["docker-compose", *words, "config"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    return {name: _service_of_compose(service) for name, service in services.items()}


def _service_of_compose(service: dict[str, Any]) -> dict[str, Any]:
    mounts = {_target(volume): _source(volume) for volume in service.get("volumes", ())}
    return {
        "image": service["image"],
        "command": _words(service.get("command")),
        "entrypoint": _words(service.get("entrypoint")),
        # A name that has no value anywhere is shown with null, and is not there in the container.
        "environment": {
            name: _undoubled(str(value))
            for name, value in service.get("environment", {}).items()
            if value is not None
        },
        "labels": {name: str(value) for name, value in service.get("labels", {}).items()},
        "mounts": mounts,
        "caps": sorted(service.get("cap_add", ())),
        "dns": sorted([service["dns"]] if isinstance(service.get("dns"), str) else service.get("dns", ())),
        "restart": service.get("restart", "no"),
        "user": service.get("user", ""),
        "hostname": service.get("hostname", ""),
        "test": _test(service.get("healthcheck", {}).get("test")),
        "logging": {k: str(v) for k, v in service.get("logging", {}).get("options", {}).items()},
    }


def _words(said: str | list[str] | None) -> list[str] | None:
    if said is None:
        return None
    return [_undoubled(word) for word in (shlex.split(said) if isinstance(said, str) else said)]


def _test(said: str | list[str] | None) -> list[str] | None:
    words = ["CMD-SHELL", said] if isinstance(said, str) else said
    return [_undoubled(word) for word in words] if words else None


def _undoubled(text: str) -> str:
    return text.replace("$$", "$")


def _target(volume: str | dict[str, Any]) -> str:
    return volume.split(":")[1] if isinstance(volume, str) else str(volume["target"])


def _source(volume: str | dict[str, Any]) -> str:
    return volume.split(":")[0] if isinstance(volume, str) else str(volume["source"])


def seen_by_us(application: Application) -> dict[str, Any]:
    return {service.name: _service_of_ours(service) for service in application.services}


def _service_of_ours(service: Service) -> dict[str, Any]:
    return {
        "image": service.image,
        "command": None if service.command is None else list(service.command),
        "entrypoint": None if service.entrypoint is None else list(service.entrypoint),
        "environment": dict(service.environment),
        "labels": dict(service.labels),
        "mounts": {
            mount.target: mount.source
            for mount in service.mounts
            # Compose has the one kind elsewhere, and does not know what labels of balena ask for.
            if mount.kind != "tmpfs" and not (mount.kind == "bind" and "balena" in str(service.labels))
        },
        "caps": sorted(service.cap_add),
        "dns": sorted(service.dns),
        "restart": service.restart,
        "user": service.user,
        "hostname": service.hostname,
        "test": list(service.healthcheck.test) if service.healthcheck else None,
        "logging": dict(service.logging_options),
    }
