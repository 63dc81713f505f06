"""What is told as wrong: its line, its sentence and what to do instead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources

import pytest

from resin_toolkit.compose import unsupported
from resin_toolkit.errors import BadValue, ComposeInvalid, PathNotFound

from .conftest import Project, service_file

# Each body comes below line 3 of the file.
NOT_SUPPORTED = "is not supported on a device"


@pytest.mark.parametrize(
    ("body", "line", "text", "hint"),
    [
        # Not in the schema.
        ("prots: [80]", 4, "prots is not a key of the compose specification", "Did you mean ports?"),
        ("user: a\nzzz: 1", 5, "zzz is not a key of the compose specification", ""),
        ("build: {contxt: .}", 4, "build.contxt is not a key of the compose specification", "Did you mean context?"),  # noqa: E501
        ("healthcheck:\n  test: x\n  retires: 3", 6, "healthcheck.retires is not a key of the compose specification",  # noqa: E501
         "retries"),
        ("ports:\n  - target: 80\n    publish: 80", 6, "ports[0].publish is not a key of the compose specification",  # noqa: E501
         "published"),
        ("user: 1000", 4, "user must be a string, not a number", "Quote"),
        ("command: [sleep, 10]", 4, "command[1] must be a string, not a number", "Quote"),
        ("command:\n  a: b", 4, "command must be empty, a string or a list, not a mapping", ""),
        ("ports: 80", 4, "ports must be a list, not a number", ""),
        ("volumes:", 4, "volumes must be a list, not empty", ""),
        ("privileged: 1", 4, "privileged must be true or false or a string, not a number", "Quote"),
        ("environment: {A: [1]}", 4,
         "environment.A must be a string, a number, true or false or empty, not a list",
         ""),
        ("environment:\n  - A=1\n  - A=1", 4, "environment has a duplicate item", "Remove one"),
        ("depends_on: {db: {}}", 4, "depends_on.db is missing condition", "Add `condition:`."),
        ("depends_on: {db: {condition: healthy}}", 4,
         "depends_on.db.condition must be one of service_started, ", ""),
        ("volumes: [{target: /a}]", 4, "volumes[0] is missing type", "Add `type:`."),
        ("develop: {watch: [{path: a, action: copy}]}", 4,
         "develop.watch[0].action must be one of rebuild, sync", ""),
        # In the schema, and not for a device.
        ("deploy:\n  replicas: 2", 4, f"deploy {NOT_SUPPORTED}", "restart"),
        ("user: a\nmem_limit: 1g", 5, f"mem_limit {NOT_SUPPORTED}", "not limit"),
        ("links: [db]", 4, f"links {NOT_SUPPORTED}", "aliases"),
        ("platform: linux/arm64", 4, f"platform {NOT_SUPPORTED}", "architecture"),
        ("secrets: [s]", 4, f"secrets {NOT_SUPPORTED}", "env_file"),
        ("configs: [s]", 4, f"configs {NOT_SUPPORTED}", "into the image"),
        ("build: {dockerfile_inline: FROM x}", 4, f"build.dockerfile_inline {NOT_SUPPORTED}", "dockerfile"),
        ("build: {context: ., secrets: [s]}", 4, f"build.secrets {NOT_SUPPORTED}", "COPY"),
        ("healthcheck: {start_interval: 1s}", 4, f"healthcheck.start_interval {NOT_SUPPORTED}", "interval"),
        ("ports: [{target: 80, mode: host}]", 4, f"ports[0].mode {NOT_SUPPORTED}", "remove the key"),
        ("develop: {watch: [{path: a, action: sync+exec, target: /a}]}", 4,
         "develop.watch[0] has an action that is",
         "sync+restart"),
        # Values that make no sense, or none here.
        ("volumes:\n  - ./src:/app", 5, "volumes[0] mounts ./src, which is on this machine",
         "develop.watch"),
        ("volumes: ['.:/app']", 4, "volumes[0] mounts ., which is on this machine", "COPY"),
        ("volumes: ['~/x:/app']", 4, "volumes[0] mounts ~/x, which is on this machine", "absolute path"),
        ("volumes: ['src/x:/app']", 4, "volumes[0] mounts src/x, which is on this machine", "COPY"),
        ("volumes:\n  - type: bind\n    source: src\n    target: /a", 5,
         "volumes[0] mounts ./src, which is on", "COPY"),
        ("volumes: ['/a:b']", 4, "volumes[0] must have an absolute path in the container, not 'b'", "slash"),
        ("volumes: ['/a:/b:ro:x']", 4, "volumes[0] has too many colons", "SOURCE:TARGET"),
        ("volumes: ['/a:/b:fast']", 4, "volumes[0] has an unknown option: 'fast'", "ro"),
        ("volumes: [{type: npipe, source: a, target: /b}]", 4,
         "volumes[0] has an unsupported type", ""),
        ("volumes: ['none:/b']", 4, "volumes names none, which is not a volume", "Declare it"),
        ("volumes: ['/a:/b', 'none:/c']", 4, "volumes names none, which is not a volume", "Declare it"),
        ("volumes: ['${PWD}/src:/app']", 4, "volumes[0] mounts /", "COPY"),
        ("volumes: [{type: bind, target: /app}]", 4, "volumes[0] is missing source", "Add"),
        ("tmpfs: '/a:uid=3'", 4, "tmpfs[0] has an option that is not supported: 'uid'", "size"),
        ("ports: ['80:x']", 4, "ports[0] is not a valid port: 80:x", "8080:80"),
        ("ports: ['1-3:1-2']", 4, "ports[0] publishes 2 container ports on 3 device ports", "same length"),
        ("ports: ['70000']", 4, "ports[0] is not a valid port: 70000", "65535"),
        ("ports: [{published: 1}]", 4, "ports[0] is missing target", ""),
        ("restart: sometimes", 4, "restart is not a restart policy: sometimes", "unless-stopped"),
        ("stop_grace_period: '10'", 4, "stop_grace_period is not a valid duration", "90s"),
        ("shm_size: big", 4, "shm_size is not a valid size", "64m"),
        ("privileged: maybe", 4, "privileged is not true or false", ""),
        ("command: echo 'x", 4, "command has an unclosed quote", "list"),
        ("devices: [nvidia.com/gpu=all]", 4, "devices[0] is not a device file", "/dev/i2c-1"),
        ("devices: ['/dev/a:/dev/b:x']", 4, "devices[0] has unknown permissions: x", "letters"),
        ("healthcheck: {test: [curl, x]}", 4, "healthcheck.test does not begin with CMD", "CMD"),
        ("healthcheck: {retries: many}", 4, "healthcheck.retries is not a whole number", ""),
        ("extra_hosts: [alone]", 4, "extra_hosts[0] is not a host with an address: alone", "192.168"),
        ("network_mode: 'container:x'", 4, "network_mode is not supported on a device: container:x",
         "service:NAME"),
        ("network_mode: host\nnetworks: [default]", 5, "networks cannot be combined with network_mode", ""),
        ("pid: 'service:db'", 4, "pid is not supported on a device", "host"),
        ("networks: [none]", 4, "networks names none, which is not a network", "Declare it"),
        ("networks:\n  none:\n    aliases: [a]", 5, "networks names none, which is not a network", "Declare it"),  # noqa: E501
        ("depends_on: [wbe]", 4, "depends_on names wbe, which is not a service", "Did you mean web?"),
        ("network_mode: service:db", 4, "network_mode names db, which is not a service", ""),
        ("depends_on: [web]", 4, "", "Remove one of them"),
        ("build: ./none", 4, "build.context names the folder ./none, which does not exist", "spelling"),
        ("build: https://example.com/x.git", 4, "build.context is not a local folder", "Clone"),
        ("labels: {io.balena.features.supervisor-api: 1}", 4,
         "labels has io.balena.features.supervisor-api: resin",
         "balena-socket"),
        ("labels: [io.resin.features.dbsu=1]", 4,
         "labels has io.resin.features.dbsu, which is not a known feature",
         "Did you mean io.resin.features.dbus?"),
        ("container_name: c", 4, "container_name does not match", ""),
        ("extends: none", 4, "", "spelling"),
    ],
)  # fmt: skip
def test_a_service_is_refused(project: Project, body: str, line: int, text: str, hint: str) -> None:
    with pytest.raises(ComposeInvalid) as caught:
        project.load(service_file(body), environment={"PWD": str(project.folder)})
    assert caught.value.message.startswith(f"compose.yaml:{line}: ")
    assert not text or f"services.web.{text}" in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.message.count("\n") == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("services: {}\n", [(1, "there are no services")]),
        ("version: '3'\n", [(1, "there are no services")]),
        ("services:\n  web:\n    user: a\n", [(3, "services.web has neither build nor image")]),
        ("services:\n  we b: {image: x}\n", [(2, "services.we b is not a key of the compose specification")]),
        ("services:\n  web:\n", [(2, "services.web must be a mapping, not empty")]),
        ("web:\n  image: x\n", [(1, "web is not a key of the compose specification")]),
        ("version: 3\nservices: {web: {image: x}}\n", [(1, "version must be a string, not a number")]),
        ("services: {web: {image: x}}\nsecrets: {a: {file: x}}\n", [(2, f"secrets {NOT_SUPPORTED}")]),
        ("services: {web: {image: x}}\nname: Big App\n", [(2, "'Big App' is not a valid application name")]),
        ("include: [a.yml]\nservices: {web: {image: x}}\n", [(1, f"include {NOT_SUPPORTED}")]),
        ("services: {web: {image: x}}\nnetworks:\n  a:\n    ipam:\n      config: [{gateway: 1.1.1.1}]\n",
         [(5, f"networks.a.ipam.config[0].gateway {NOT_SUPPORTED}")]),
        ("services: {web: {image: x}}\nnetworks:\n  a: {ipam: {config: [{subnet: 10.0.0.1/8}]}}\n",
         [(3, "networks.a.ipam.config[0].subnet is not a subnet: 10.0.0.1/8")]),
        ("services: {web: {image: x}}\nvolumes:\n  a: {external: true,\n    driver: x}\n",
         [(4, "volumes.a is external and cannot have driver")]),
        ("services:\n  a: {image: x, depends_on: [b]}\n  b:\n    image: x\n    depends_on:\n      - c\n"
         "  c: {image: x, network_mode: 'service:a'}\n",
         [(2, "services depend on each other in a cycle: a → b → c → a")]),
        ("services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, profiles: [p, q]}\n",
         [(2, "services.a.depends_on names b, whose profile is not active (p, q)")]),
    ],
)  # fmt: skip
def test_a_file_is_refused(project: Project, text: str, found: list[tuple[int, str]]) -> None:
    assert project.problems(text) == found


def test_all_problems_are_told_in_the_order_of_the_lines(project: Project) -> None:
    with pytest.raises(ComposeInvalid) as caught:
        project.load(service_file("links: [a]\ndeploy: {}\nvolumes: ['./a:/a']\nrestart: x\ndepends_on: [y]"))
    lines = caught.value.message.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"compose.yaml:{n}" for n in (4, 5, 6, 7, 8)]
    assert lines[0].endswith(
        "Services in the same network reach each other by name; add names with `aliases` in `networks`."
    )


def test_no_more_than_ten_are_shown(project: Project) -> None:
    with pytest.raises(ComposeInvalid) as caught:
        project.load("services:\n" + "".join(f"  s{n}: {{image: x, scale: 2}}\n" for n in range(13)))
    lines = caught.value.message.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "3 more are not shown."


def test_no_message_shows_a_variable(project: Project) -> None:
    body = (
        "environment: {A: [hunter2], hunter: {b: hunter2}}\nenv_file: [{pth: hunter2}]\ncommand: [1, hunter2]"
    )
    with pytest.raises(ComposeInvalid) as caught:
        project.load(service_file(body))
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_folder_without_a_file(project: Project) -> None:
    with pytest.raises(PathNotFound, match="has no compose file"):
        project.load()


def test_a_file_that_is_not_there(project: Project) -> None:
    with pytest.raises(PathNotFound, match=r"none\.yml does not exist"):
        project.load(files=[project.folder / "none.yml"])


def test_a_file_that_is_no_text(project: Project) -> None:
    (project.folder / "compose.yaml").write_bytes(b"\xff\xfe")
    assert project.problems() == [(1, "compose.yaml is not UTF-8 text")]


def test_a_name_that_no_application_can_have(project: Project) -> None:
    with pytest.raises(BadValue, match="Up!"):
        project.load(service_file("user: a"), name="Up!")


def names_of(schema: dict[str, object], definition: dict[str, object]) -> Iterator[str]:
    properties = definition.get("properties", {})
    assert isinstance(properties, dict)
    yield from properties
    parts = definition.get("allOf", [])
    assert isinstance(parts, list)
    for part in parts:
        definitions = schema["$defs"]
        assert isinstance(definitions, dict)
        yield from names_of(schema, definitions[part["$ref"].rpartition("/")[2]])


def test_each_field_of_the_schema_is_read_or_has_an_advice() -> None:
    text = resources.files("resin_toolkit.compose").joinpath("compose-spec.json").read_text("utf-8")
    schema = json.loads(text)
    known = set(unsupported._SUPPORTED["services.*"].split())
    assert known <= set(names_of(schema, schema["$defs"]["service"]))
    for name in names_of(schema, schema["$defs"]["service"]):
        assert name in known or unsupported._advice("services.*", name)
    silent = {n for n in names_of(schema, schema["$defs"]["service"]) if n not in known}
    assert {n for n in silent if unsupported._advice("services.*", n) == "Remove the key."} <= {
        "cgroup", "oom_score_adj", "umask", "uts", "pull_refresh_after",
    }  # fmt: skip
