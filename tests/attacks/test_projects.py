"""A project of somebody else's: where it wants to go, and what it wants to take along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.registry_logins import SHOP, configure, entry
from support.strange_network import StrangeNetwork, User

pytestmark = pytest.mark.root

SECRET = "7h3-k3y-0f-th3-h0us3"
DOCKERFILE = 'FROM scratch\nCOPY . /\nCMD ["sh"]\n'
BUILDS = "services:\n  web:\n    build: .\n"
ENVIRONMENT = {"GITHUB_TOKEN": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET}


@dataclass(frozen=True)
class Hostile:
    """Files of a cloned project, and links; `HOME` in them is the user's home folder."""

    files: Mapping[str, str]
    links: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    """The folder in it that is pushed."""


def toml(line: str, **files: str) -> Hostile:
    return Hostile({"resin.toml": line + "\n", "Dockerfile": DOCKERFILE, **files})


def compose(text: str, links: Mapping[str, str] | None = None, **files: str) -> Hostile:
    return Hostile({"compose.yaml": text, "Dockerfile": DOCKERFILE, **files}, links or {})


OUTSIDE = {
    "the source is the parent": toml('source = ".."\ndockerfile = "project/Dockerfile"'),
    "the source is an absolute path": toml('source = "HOME"\ndockerfile = "code/project/Dockerfile"'),
    "the source goes up and down again": toml('source = "../../.ssh"\ndockerfile = "id_ed25519"'),
    "the source is a link": Hostile(
        {"resin.toml": 'source = "src"\ndockerfile="../Dockerfile"\n'}, {"src": "HOME/.ssh"}
    ),
    "the Dockerfile is a link": Hostile({}, {"Dockerfile": "HOME/Dockerfile.private"}),
    "the Dockerfile lies outside": toml('dockerfile = "../../Dockerfile.private"'),
    "the context of a service": compose(BUILDS.replace("build: .", "build: ../../.ssh")),
    "the context of a service, long": compose(
        "services:\n  web:\n    build:\n      context: HOME\n      dockerfile: Dockerfile.private\n"
    ),
    "the context of a second service": compose(
        BUILDS + "  two:\n    build:\n      context: ../..\n      dockerfile: Dockerfile.private\n"
    ),
    "the context is a link": compose(BUILDS.replace("build: .", "build: src"), {"src": "HOME"}),
    "a link on the way to the context": compose(BUILDS.replace("build: .", "build: a/.ssh"), {"a": "HOME"}),
    "the Dockerfile of a service": compose(
        "services:\n  web:\n    build:\n      context: .\n      dockerfile: HOME/Dockerfile.private\n"
    ),
    "env_file": compose(BUILDS + "    env_file: HOME/.aws/credentials.env\n"),
    "env_file, up": compose(BUILDS + "    env_file: ../../.aws/credentials.env\n"),
    "env_file, long and optional": compose(
        BUILDS + "    env_file:\n      - path: HOME/.aws/credentials.env\n        required: false\n"
    ),
    "env_file is a link": compose(BUILDS + "    env_file: vars\n", {"vars": "HOME/.aws/credentials.env"}),
    "env_file behind a link": compose(BUILDS + "    env_file: a/credentials.env\n", {"a": "HOME/.aws"}),
    ".env is a link": compose(
        BUILDS + "    environment:\n      X: ${KEY}\n", {".env": "HOME/.aws/credentials.env"}
    ),
    "extends from outside": compose(
        BUILDS + "    extends:\n      file: HOME/private.yaml\n      service: base\n"
    ),
    "extends through a link": compose(
        BUILDS + "    extends:\n      file: base.yaml\n      service: base\n",
        {"base.yaml": "HOME/private.yaml"},
    ),
    "extends a file whose context is outside": compose(
        "services:\n  web:\n    extends:\n      file: base/base.yaml\n      service: base\n",
        None,
        **{"base/base.yaml": "services:\n  base:\n    build: ../../../.ssh\n"},
    ),
    "the compose file is a link": Hostile(
        {"Dockerfile": DOCKERFILE}, {"compose.yaml": "HOME/private-compose.yaml"}
    ),
    "the override is a link": compose(BUILDS, {"compose.override.yaml": "HOME/private-compose.yaml"}),
    "a .git that points elsewhere": Hostile(
        {
            "resin.toml": 'source = ".."\ndockerfile = "project/Dockerfile"\n',
            "Dockerfile": DOCKERFILE,
            ".git/HEAD": "ref: refs/heads/main\n",
            ".git/config": "[core]\n\trepositoryformatversion = 0\n\tworktree = HOME/code\n",
            ".git/objects/x": "",
            ".git/refs/x": "",
        }
    ),
    "a .git file that points elsewhere": toml(
        'source = ".."\ndockerfile = "project/Dockerfile"', **{".git": "gitdir: HOME/code/.git\n"}
    ),
}
NEVER = ("the Dockerfile lies outside", "the Dockerfile of a service")
"""What is an error, whoever agrees."""
VARIABLES = {
    "a build argument without a value": compose(
        "services:\n  web:\n    build:\n      context: .\n      args: [AWS_SECRET_ACCESS_KEY]\n"
    ),
    "a build argument": compose(
        'services:\n  web:\n    build:\n      context: .\n      args: ["X=${GITHUB_TOKEN}"]\n'
    ),
    "a build argument with a default": compose(
        'services:\n  web:\n    build:\n      context: .\n      args: {X: "${GITHUB_TOKEN:-none}"}\n'
    ),
    "the environment": compose(BUILDS + "    environment: [GITHUB_TOKEN]\n"),
    "the environment, as a map": compose(BUILDS + "    environment:\n      GITHUB_TOKEN:\n"),
    "the environment, by another name": compose(BUILDS + '    environment: ["A=x${GITHUB_TOKEN}y"]\n'),
    "the environment, nested": compose(BUILDS + '    environment: ["A=${NO:-${GITHUB_TOKEN}}"]\n'),
    "the environment, if it is set": compose(
        BUILDS + '    environment: ["A=${CI:-${GITHUB_TOKEN:+${GITHUB_TOKEN}}}"]\n'
    ),
    "by a file of variables": compose(BUILDS + "    env_file: v\n", None, v="A=${GITHUB_TOKEN}\n"),
    "by a file of variables, without a value": compose(
        BUILDS + "    env_file: v\n", None, v="GITHUB_TOKEN\n"
    ),
    "by .env": compose(BUILDS + '    environment: ["X=${A}"]\n', None, **{".env": "A=${GITHUB_TOKEN}\n"}),
    "by extends": compose(
        BUILDS + "    extends:\n      file: b.yaml\n      service: base\n",
        None,
        **{"b.yaml": "services:\n  base:\n    environment: [GITHUB_TOKEN]\n"},
    ),
    "by an override": compose(
        BUILDS, None, **{"compose.override.yaml": "services:\n  web:\n    environment: [GITHUB_TOKEN]\n"}
    ),
    "by the development file": compose(
        BUILDS, None, **{"docker-compose.dev.yml": "services:\n  web:\n    environment: [GITHUB_TOKEN]\n"}
    ),
    "the command": compose(BUILDS + '    command: ["echo", "${GITHUB_TOKEN}"]\n'),
    "a label": compose(BUILDS + '    labels: ["a=${GITHUB_TOKEN}"]\n'),
    "the check of health": compose(BUILDS + '    healthcheck:\n      test: ["CMD", "${GITHUB_TOKEN}"]\n'),
    "a label of the build": compose(
        'services:\n  web:\n    build:\n      context: .\n      labels: ["X=${GITHUB_TOKEN}"]\n'
    ),
    "the host name": compose(BUILDS + '    hostname: "${GITHUB_TOKEN}"\n'),
    "an extra host": compose(BUILDS + '    extra_hosts: ["${GITHUB_TOKEN}:1.2.3.4"]\n'),
    "a label of a network": compose(
        BUILDS + "    networks: [n]\nnetworks:\n  n:\n    labels:\n      a: ${GITHUB_TOKEN}\n"
    ),
    "the working folder": compose(BUILDS + '    working_dir: "/${GITHUB_TOKEN}"\n'),
}


@pytest.fixture
def home(newcomer: User) -> Path:
    """A home folder with secrets in the usual places."""
    home = newcomer.home
    for name, text in {
        ".ssh/id_ed25519": SECRET,
        ".ssh/Dockerfile": DOCKERFILE,
        ".aws/credentials.env": f"KEY={SECRET}\n",
        "Dockerfile.private": f"FROM scratch\nENV X={SECRET}\nCOPY . /\n",
        "private.yaml": f"services:\n  base:\n    environment:\n      X: {SECRET}\n",
        "private-compose.yaml": f"services:\n  web:\n    build: .\n    environment:\n      X: {SECRET}\n",
        "private/Dockerfile": DOCKERFILE,
        "private/plan": SECRET,
        "code/secret": SECRET,
    }.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (home / ".docker").mkdir()
    configure(home, auths={SHOP: entry("me")})
    return home


def clone(home: Path, hostile: Hostile) -> Path:
    """The project, as it was unpacked or cloned; the folder to push."""
    folder = home / "code" / "project"
    for name, text in hostile.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("HOME", str(home)))
    for name, target in hostile.links.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target.replace("HOME", str(home)))
    return folder / hostile.folder


@pytest.mark.parametrize("what", [*OUTSIDE, *VARIABLES])
def test_nothing_is_taken_along_unasked(
    network: StrangeNetwork, newcomer: User, home: Path, what: str
) -> None:
    """The device was typed: it is the user's wish that the project goes there, and nothing more."""
    project = clone(home, {**OUTSIDE, **VARIABLES}[what])
    with network.device_serves(ssh=False):
        run = newcomer.resin(
            "push", network.device.address, "--detach", "--json", cwd=project, env=ENVIRONMENT
        )
    assert SECRET.encode() not in network.engine.everything, run
    assert network.engine.changes == [], run
    if what in NEVER:
        assert (run.code, run.error["code"]) == (2, "bad-value"), run
    else:
        assert (run.code, run.error["code"]) == (4, "not-trusted"), run
        assert "--trust" in run.error["hint"], run
    assert SECRET not in run.out + run.err
