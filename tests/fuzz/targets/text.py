"""Readers of text files: those of a project, of an image, and of the user."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fuzz.targets.script import base, documents
from resin_toolkit.errors import ResinError

_NOWHERE = Path("/nonexistent")
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@contextmanager
def _folder(files: dict[str, bytes]) -> Iterator[Path]:
    """A folder with these files. Names that are not plain are left out."""
    with tempfile.TemporaryDirectory(dir=_MEMORY) as name:
        for path, content in files.items():
            parts = path.split("/")
            if all(part.isprintable() and 0 < len(part) < 100 and part not in (".", "..") for part in parts):
                target = Path(name).joinpath(*parts)
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                except OSError:
                    continue
        yield Path(name)


# of an image


def config_json(data: bytes) -> None:
    """config.json: read, checked, merged with another one, changed by lines of KEY=VALUE, and written."""
    from image_tools import config
    from image_tools.config.text import dump

    files = documents(data, "config.json")
    known = config.parse(files["config.json"])
    config.hidden(known)
    config.check(known)
    assert config.parse(dump(known)) == known
    changed, _ = config.merge(known, config.parse(files.get("merge", b"{}")))
    for line in _text(files.get("set", b"")).splitlines():
        name, _, value = line.partition("=")
        try:
            changed, _ = config.set_value(changed, name, value) if value else config.unset(changed, name)
        except ResinError:
            continue
    assert config.parse(dump(changed)) == changed
    config.diff(known, changed)


def answers(data: bytes) -> None:
    """A file for `--from`; what is read from it is written so that it is read again."""
    from image_tools.answers.reader import read_answers
    from image_tools.answers.writer import write_answers

    found = read_answers(data, "answers.toml", _NOWHERE)
    again = read_answers(write_answers(found).encode(), "answers.toml", _NOWHERE)
    # Secrets are left out at the first time.
    assert read_answers(write_answers(again).encode(), "answers.toml", _NOWHERE) == again


def configure(data: bytes) -> None:
    """An image that is configured by answers, and the answers that are read back from it."""
    from image_tools.answers.from_image import answers_from_image
    from image_tools.answers.inputs import Inputs
    from image_tools.answers.reader import read_answers
    from image_tools.answers.to_request import build_requests
    from image_tools.boot_partition import open_boot
    from image_tools.configuration import plan
    from image_tools.lint.image import check_image

    class Secrets(Inputs):
        def read_secret(self, *_: object) -> str:
            return "passphrase"

    files = documents(data, "answers.toml")
    with _folder(files) as folder:
        found = read_answers(files["answers.toml"], "answers.toml", folder)
        file = io.BytesIO(base("fat16"))
        try:
            requests = build_requests(found, Secrets())
        except OSError:
            return
        for request in requests:
            boot = open_boot(file)
            boot.filesystem.apply(plan(boot.filesystem, request).changes)
            assert not plan(open_boot(file).filesystem, request).changes
        check_image(open_boot(file))
        answers_from_image(open_boot(file).filesystem)


def hosts(data: bytes) -> None:
    """The CSV file of `flash --hosts`."""
    from image_tools.answers.hosts import check_unique, read_cards

    with _folder({"hosts.csv": data}) as folder:
        check_unique("card-{n}", read_cards(folder / "hosts.csv", 1))


def keyfile(data: bytes) -> None:
    """A NetworkManager profile, and what the linter says of it."""
    from image_tools.lint.profiles.linter import lint_keyfile
    from image_tools.profiles.keyfile import normalize_keyfile, read_keyfile

    read_keyfile(data)
    normal = normalize_keyfile(data)
    assert normalize_keyfile(normal) == normal
    lint_keyfile("profile", normal)


def redsocks(data: bytes) -> None:
    from image_tools.proxy import read_no_proxy, read_redsocks

    read_no_proxy(data)
    read_redsocks(data)


def os_release(data: bytes) -> None:
    from image_tools.os_info import parse_os_release

    parse_os_release(_text(data))


# of a project


def dockerfile(data: bytes) -> None:
    """A Dockerfile: its instructions, its `#dev-` lines, and where its COPY instructions put a file."""
    from resin_toolkit.live.mapping.actions import FileChange
    from resin_toolkit.live.mapping.file_mapping import MappingInputs, make_mapping
    from resin_toolkit.live.mapping.mapping_inputs import BaseImage, FolderContext
    from resin_toolkit.project.dev_directives import parse_dev_directives
    from resin_toolkit.project.dockerfile import parse_dockerfile

    text = _text(data)
    directives = parse_dev_directives(text)
    parsed = parse_dockerfile(text)
    with _folder({"src/main.py": b"", "a": b"", "data.tar": b""}) as root:
        image = BaseImage({"A": "b"}, "/w", ("COPY . /x",), ("/v",))
        inputs = MappingInputs(FolderContext(root), lambda _: image, mounts=("/m",), root=root)
        mapping = make_mapping(parsed, inputs, directives=directives)
        for path in ("src/main.py", "a", "data.tar"):
            mapping.action_for(path, FileChange.CHANGED)


def ignore(data: bytes) -> None:
    """Ignore rules; the last line is the path that is matched."""
    from resin_toolkit.project.ignore import IgnoreRules

    rules, _, path = _text(data).rpartition("\n")
    IgnoreRules.parse(rules).is_ignored(path or "a")


def dotenv(data: bytes) -> None:
    from resin_toolkit.compose import dotenv
    from resin_toolkit.compose.problems import Diagnostics, Location

    diagnostics = Diagnostics()
    dotenv.parse(_text(data), Location(".env", 1, _NOWHERE), {"HOME": "/root"}, diagnostics)
    dotenv.parse_raw(_text(data), Location(".env", 1, _NOWHERE), diagnostics)


def compose(data: bytes) -> None:
    """A compose file and those that it includes, extends and reads, from YAML to services."""
    from resin_toolkit.compose.loader import load_application

    with _folder(documents(data, "compose.yml")) as folder:
        load_application(folder, None, environment={"A": "b"}, name="app")


def settings(data: bytes) -> None:
    """resin.toml."""
    from resin_toolkit.project.settings import read_settings

    with _folder({"resin.toml": data}) as folder:
        read_settings(folder)


def project(data: bytes) -> None:
    """A folder that `push` reads: resin.toml, and the Dockerfile and compose files that it names."""
    from resin_toolkit.push.plan.platform import Platform
    from resin_toolkit.push.project import ProjectOverrides, load_application, project_files, read_project

    with _folder(documents(data, "resin.toml")) as folder:
        overrides = ProjectOverrides(folder)
        found = read_project(overrides)
        application = load_application(found, overrides, Platform(("raspberrypi3",), "armv7hf"))
        project_files(found, application)


# of the user


@contextmanager
def home(files: dict[str, bytes]) -> Iterator[Path]:
    """A home folder with these files, in which state is kept too."""
    names = ("HOME", "XDG_STATE_HOME", "DOCKER_CONFIG")
    before = {name: os.environ.get(name) for name in names}
    with _folder(files) as folder:
        os.environ.update(HOME=str(folder), XDG_STATE_HOME=str(folder))
        os.environ.pop("DOCKER_CONFIG", None)
        try:
            yield folder
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def ssh_config(data: bytes) -> None:
    """~/.ssh/config and the files that it includes; not `Match exec`, which runs whatever the user wrote."""
    from resin_toolkit.ssh.config import find_host_config, host_config

    if b"exec" in data.lower():
        return
    files = documents(data, "config")
    with home({f".ssh/{name}": content for name, content in files.items()}):
        for read in (find_host_config, host_config):
            try:
                read("kitchen.local")
            except ResinError:
                continue


def state_files(data: bytes) -> None:
    """The files in the state folder, which all hold the same: read, and changed."""
    from resin_toolkit.device.cache import (
        cache_contact,
        cache_plain_tcp,
        cache_proof,
        cached_device,
        cached_hosts,
        drop_proof,
        forget_cached_device,
    )
    from resin_toolkit.device.record import Device
    from resin_toolkit.device.seen_devices import remember_seen, seen_hosts
    from resin_toolkit.device.service_cache import cache_services, cached_services
    from resin_toolkit.project.approvals import Approvals
    from resin_toolkit.project.project_state import ProjectState, find_project_state
    from resin_toolkit.ssh.host_keys import HostKey, check_key, forget_key, pinned_key, pinned_ports

    names = ("host-keys", "devices", "services", "seen-devices", "projects", "project-approvals")
    device = Device("kitchen.local", ("192.0.2.7",))
    key = HostKey.of("ssh-ed25519", b"key")
    project, approvals = ProjectState(Path("/")), Approvals.of(Path("/"))
    with home({f"resin/{name}.json": data for name in names}):
        for use in (
            lambda: pinned_key(device),
            lambda: pinned_ports("kitchen.local"),
            lambda: check_key(device, key, str),
            lambda: forget_key(device),
            lambda: cached_device("kitchen.local"),
            cached_hosts,
            lambda: cache_proof("kitchen.local", "192.0.2.7", 22222, key.fingerprint),
            lambda: cache_contact("kitchen.local", "192.0.2.7", "engine"),
            lambda: cache_plain_tcp("kitchen.local", "192.0.2.7"),
            lambda: drop_proof("kitchen.local", "192.0.2.7", 22222),
            lambda: forget_cached_device("kitchen.local"),
            lambda: [*cached_services(), *cached_services("kitchen"), *seen_hosts()],
            lambda: cache_services("kitchen.local", ["a"]),
            lambda: remember_seen([device]),
            lambda: (project.device, project.app, project.built, find_project_state(Path("/"))),
            lambda: (project.device_type_of("engine"), project.link_rate_to("engine")),
            lambda: project.remember(device="kitchen", rate=("engine", 1.5)),
            lambda: (approvals.includes("kitchen"), approvals.includes_engine("kitchen", "engine")),
            lambda: (
                approvals.missing_paths("kitchen", ["/a"]),
                approvals.missing_variables("kitchen", ["A"]),
            ),
            lambda: approvals.add("kitchen", paths=["/a"], variables=["A"], engines=["engine"]),
        ):
            try:
                use()
            except ResinError:
                continue


TARGETS = (
    config_json,
    answers,
    configure,
    hosts,
    keyfile,
    redsocks,
    os_release,
    dockerfile,
    ignore,
    dotenv,
    compose,
    settings,
    project,
    ssh_config,
    state_files,
)
