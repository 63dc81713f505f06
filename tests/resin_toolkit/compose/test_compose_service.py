"""What each field of a service becomes."""

from __future__ import annotations

import pytest

from resin_toolkit.project.application import (
    Build,
    DependencyCondition,
    DeviceNode,
    HealthCheck,
    Mount,
    Network,
    NetworkUse,
    Port,
    Volume,
    WatchAction,
    WatchRule,
)

from .conftest import Project, service_file

DBUS = Mount("bind", "/host/run/dbus", "/run/dbus")
MODULES = Mount("bind", "/lib/modules", "/lib/modules", True)
JOURNAL = ("/var/log/journal", "/run/log/journal", "/etc/machine-id")
DATA = "volumes: {data: }"


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ("command: echo 'a b' c", "command", ("echo", "a b", "c")),
        ("command: [echo, a b]", "command", ("echo", "a b")),
        ("command: ", "command", None),
        ("command: []", "command", ()),
        ("entrypoint: ''", "entrypoint", ()),
        ("entrypoint: /run.sh -x", "entrypoint", ("/run.sh", "-x")),
        ("environment: {A: 1, B: true, C: 1.5, D: 1.10, E: '', F: 2.0}", "environment",
         {"A": "1", "B": "true", "C": "1.5", "D": "1.1", "E": "", "F": "2"}),
        ("environment: [A=1, B=, C=a=b, HERE, NOT]", "environment", {"A": "1", "B": "", "C": "a=b",
         "HERE": "w"}),
        ("environment: {HERE: , NOT: , x-y: z}", "environment", {"HERE": "w", "x-y": "z"}),
        ("labels: {a: 1, b: }", "labels", {"a": "1", "b": ""}),
        ("labels: [a=1, b]", "labels", {"a": "1", "b": ""}),
        ("restart: no", "restart", "no"),
        ("restart: on-failure:3", "restart", "on-failure:3"),
        ("privileged: true", "privileged", True),
        ("privileged: 'yes'", "privileged", True),
        ("cap_add: [NET_ADMIN]", "cap_add", ("NET_ADMIN",)),
        ("cap_drop: [ALL]", "cap_drop", ("ALL",)),
        ("devices: [/dev/i2c-1, '/dev/a:/dev/b', '/dev/c:/dev/d:r', '/dev/e:rw']", "devices",
         (DeviceNode("/dev/i2c-1", "/dev/i2c-1"), DeviceNode("/dev/a", "/dev/b"),
          DeviceNode("/dev/c", "/dev/d", "r"),
          DeviceNode("/dev/e", "/dev/e", "rw"))),
        ("devices: [{source: /dev/a, target: /dev/b, permissions: r}]", "devices",
         (DeviceNode("/dev/a", "/dev/b", "r"),)),
        ("user: '1000:1000'", "user", "1000:1000"),
        ("working_dir: /srv", "working_dir", "/srv"),
        ("hostname: h", "hostname", "h"),
        ("stop_signal: SIGINT", "stop_signal", "SIGINT"),
        ("stop_grace_period: 1m30s", "stop_grace_period", 90.0),
        ("stop_grace_period: 1.5s", "stop_grace_period", 1.5),
        ("tty: true", "tty", True),
        ("stdin_open: on", "stdin_open", True),
        ("init: true", "init", True),
        ("working_dir: /", "init", None),
        ("read_only: true", "read_only", True),
        ("tmpfs: /run", "mounts", (Mount("tmpfs", "/run"),)),
        ("tmpfs: ['/run:size=64m,mode=1777', '/tmp:ro']", "mounts",
         (Mount("tmpfs", "/run", options={"size": "67108864", "mode": "1777"}),
          Mount("tmpfs", "/tmp", "", True))),
        ("extra_hosts: ['a:10.0.0.1', 'b=host-gateway', 'c=[::1]', 'd:::1']", "extra_hosts",
         ("a:10.0.0.1", "b:host-gateway", "c:::1", "d:::1")),
        ("extra_hosts: {a: 10.0.0.1, b: [10.0.0.2, 10.0.0.3]}", "extra_hosts",
         ("a:10.0.0.1", "b:10.0.0.2", "b:10.0.0.3")),
        ("dns: 1.1.1.1", "dns", ("1.1.1.1",)),
        ("dns: [1.1.1.1, 8.8.8.8]", "dns", ("1.1.1.1", "8.8.8.8")),
        ("security_opt: ['apparmor:unconfined']", "security_opt", ("apparmor:unconfined",)),
        ("shm_size: 64m", "shm_size", 67108864),
        ("shm_size: 1.5gb", "shm_size", 1610612736),
        ("shm_size: 1000", "shm_size", 1000),
        ("group_add: [dialout, 20]", "group_add", ("dialout", "20")),
        ("sysctls: {net.core.somaxconn: 1024}", "sysctls", {"net.core.somaxconn": "1024"}),
        ("sysctls: [net.core.somaxconn=1024]", "sysctls", {"net.core.somaxconn": "1024"}),
        ("pid: host", "pid", "host"),
        ("ipc: host", "ipc", "host"),
        ("logging: {driver: journald, options: {max-size: 10m, n: 3}}", "logging_options",
         {"max-size": "10m", "n": "3"}),
        ("logging: {driver: journald}", "logging_driver", "journald"),
        ("healthcheck: {test: curl x, interval: 10s, timeout: 1m, retries: 3, start_period: 500ms}",
         "healthcheck",
         HealthCheck(("CMD-SHELL", "curl x"), 10.0, 60.0, 3, 0.5)),
        ("healthcheck: {test: [CMD, a, b]}", "healthcheck", HealthCheck(("CMD", "a", "b"))),
        ("healthcheck: {disable: true}", "healthcheck", HealthCheck(("NONE",))),
        ("healthcheck: {interval: 10s}", "healthcheck", HealthCheck((), 10.0)),
        ("network_mode: host", "network_mode", "host"),
        ("network_mode: host", "networks", {}),
        ("user: a", "networks", {"default": NetworkUse()}),
        ("networks: [default]", "networks", {"default": NetworkUse()}),
        ("labels: {io.balena.features.dbus: '1'}", "mounts", (DBUS,)),
        ("labels: [io.resin.features.dbus=1]", "mounts", (DBUS,)),
        ("labels: {io.balena.features.dbus: '0', io.balena.features.kernel-modules: true}", "mounts",
         (MODULES,)),
        ("labels: {io.balena.features.firmware: 1}", "mounts",
         (Mount("bind", "/lib/firmware", "/lib/firmware", True),)),
        ("labels: {io.balena.features.procfs: 1, io.balena.features.sysfs: 1}", "mounts",
         (Mount("bind", "/proc", "/proc"), Mount("bind", "/sys", "/sys"))),
        ("labels: {io.balena.features.journal-logs: 1}", "mounts",
         tuple(Mount("bind", p, p, True) for p in JOURNAL)),
        ("labels: {io.balena.features.balena-socket: 1}", "environment",
         {"DOCKER_HOST": "unix:///host/run/balena-engine.sock"}),
        ("labels: {io.balena.features.balena-socket: 1}", "engine_socket", "/host/run/balena-engine.sock"),
        ("{labels: {io.balena.features.balena-socket: 1}, environment: {DOCKER_HOST: mine}}"[1:-1].replace(
            ", environment", "\nenvironment"), "environment", {"DOCKER_HOST": "mine"}),
        ("labels: {io.balena.features.requires.sw.supervisor: '>9'}", "mounts", ()),
        ("x-own: {any: thing}", "labels", {}),
        ("ports: [80]", "ports", (Port(80),)),
        ("ports: ['80', '8080:80', '53:53/udp', '127.0.0.1:1:2', '127.0.0.1::3', '[::1]:4:5']", "ports",
         (Port(80), Port(80, 8080), Port(53, 53, "udp"), Port(2, 1, "tcp", "127.0.0.1"),
          Port(3, None, "tcp", "127.0.0.1"), Port(5, 4, "tcp", "::1"))),
        ("ports: ['3000-3001', '4000-4001:5000-5001/udp']", "ports",
         (Port(3000), Port(3001), Port(5000, 4000, "udp"), Port(5001, 4001, "udp"))),
        ("ports: [{target: 80, published: '8080', host_ip: 127.0.0.1, protocol: udp}, {target: 81}]", "ports",
         (Port(80, 8080, "udp", "127.0.0.1"), Port(81))),
        ("ports: ['80:80', '80:80/tcp']", "ports", (Port(80, 80),)),
        ("volumes: [/anonymous, '/a:/b', '/c:/d:ro', '/e:/f:rw,rshared']", "mounts",
         (Mount("volume", "/anonymous"), Mount("bind", "/b", "/a"), Mount("bind", "/d", "/c", True),
          Mount("bind", "/f", "/e", options={"propagation": "rshared"}))),
        ("volumes: [{type: bind, source: /a, target: /b, read_only: true, bind: {propagation: slave}}]",
         "mounts",
         (Mount("bind", "/b", "/a", True, {"propagation": "slave"}),)),
        ("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0o1777}}, {type: volume, target: /v}]",
         "mounts", (Mount("tmpfs", "/t", options={"size": "1048576", "mode": "1777"}),
                    Mount("volume", "/v"))),
    ],
)  # fmt: skip
def test_a_field(project: Project, body: str, field: str, expected: object) -> None:
    assert getattr(project.web(body, HERE="w"), field) == expected


def test_volumes_by_name(project: Project) -> None:
    service = project.web(
        """
        volumes:
          - data:/a:ro
          - data:/b:nocopy
          - {type: volume, source: data, target: /c, volume: {nocopy: true}}
        """,
        DATA,
    )
    assert service.mounts == (
        Mount("volume", "/a", "data", True),
        Mount("volume", "/b", "data", False, {"nocopy": "true"}),
        Mount("volume", "/c", "data", False, {"nocopy": "true"}),
    )


def test_a_mount_of_the_file_counts_before_that_of_a_label(project: Project) -> None:
    service = project.web("volumes: ['/mine:/lib/modules']\nlabels: {io.balena.features.kernel-modules: 1}")
    assert service.mounts == (Mount("bind", "/lib/modules", "/mine"),)


def test_a_build(project: Project) -> None:
    (project.folder / "app").mkdir()
    application = project.load(
        """
        services:
          short: {build: ./app}
          none: {build: {}}
          long:
            image: named
            build:
              context: app
              dockerfile: Dockerfile.arm
              args: {A: 1, HERE: , NOT: }
              target: final
              cache_from: [named]
              labels: [a=b]
              network: host
        """,
        environment={"HERE": "w"},
    )
    short, none, long = application.services
    app = (project.folder / "app").resolve()
    assert short.build == Build(app)
    assert none.build == Build(project.folder.resolve())
    args = {"A": "1", "HERE": "w"}
    assert long.build == Build(app, "Dockerfile.arm", "final", args, ("named",), {"a": "b"}, "host")
    assert long.image == "named"


def test_networks_and_volumes_at_the_top(project: Project) -> None:
    application = project.load(
        """
        services:
          web:
            image: x
            networks:
              front: {aliases: [www, w], ipv4_address: 172.28.0.5}
              back:
        networks:
          front:
            driver: bridge
            driver_opts: {com.docker.network.driver.mtu: 1400}
            labels: [a=b]
            ipam: {config: [{subnet: 172.28.0.0/16}]}
          back: {internal: true}
          there: {external: true}
          named: {external: true, name: other}
          old: {external: {name: oldest}}
        volumes:
          plain:
          named: {name: called, driver: local, driver_opts: {type: nfs, n: 1}, labels: {a: b}}
          there: {external: true}
        """
    )
    assert application.services[0].networks == {
        "front": NetworkUse(("www", "w"), "172.28.0.5"),
        "back": NetworkUse(),
    }
    options = {"com.docker.network.driver.mtu": "1400"}
    assert application.networks == {
        "front": Network("", "bridge", options, {"a": "b"}, subnets=("172.28.0.0/16",)),
        "back": Network("", internal=True),
        "there": Network("there", external=True),
        "named": Network("other", external=True),
        "old": Network("oldest", external=True),
    }
    assert application.volumes == {
        "plain": Volume(""),
        "named": Volume("called", "local", {"type": "nfs", "n": "1"}, {"a": "b"}),
        "there": Volume("there", external=True),
    }


def test_what_waits_for_what(project: Project) -> None:
    application = project.load(
        """
        services:
          a:
            image: x
            depends_on:
              b: {condition: service_healthy}
              c: {condition: service_completed_successfully, required: false}
              gone: {condition: service_started, required: false}
          b: {image: x, depends_on: [c], network_mode: "service:c"}
          c: {image: x}
        """
    )
    a, b, _ = application.services
    assert a.depends_on == {"b": DependencyCondition.HEALTHY, "c": DependencyCondition.COMPLETED}
    assert b.depends_on == {"c": DependencyCondition.STARTED}
    assert b.network_mode == "service:c"


def test_watched_files(project: Project) -> None:
    service = project.web(
        """
        develop:
          watch:
            - {action: sync, path: ./src, target: /app/src, ignore: [node_modules/], include: "*.py"}
            - {action: rebuild, path: package.json}
            - {action: sync+restart, path: etc, target: /etc/app}
        """
    )
    here = project.folder.resolve()
    assert service.watch == (
        WatchRule(WatchAction.SYNC, here / "src", "/app/src", ("node_modules/",), ("*.py",)),
        WatchRule(WatchAction.REBUILD, here / "package.json"),
        WatchRule(WatchAction.SYNC_RESTART, here / "etc", "/etc/app"),
    )


@pytest.mark.parametrize(
    ("environment", "services", "expected"),
    [
        ({}, (), ["web"]),
        ({"COMPOSE_PROFILES": "debug"}, (), ["web", "sh"]),
        ({"COMPOSE_PROFILES": "other, test"}, (), ["web", "sh", "t"]),
        ({"COMPOSE_PROFILES": "*"}, (), ["web", "sh", "t"]),
        ({}, ("t",), ["web", "t"]),
    ],
)
def test_profiles(
    project: Project, environment: dict[str, str], services: tuple[str, ...], expected: list[str]
) -> None:
    text = "services:\n  web: {image: x}\n  sh: {image: x, profiles: [debug, test]}\n"
    text += "  t: {image: x, profiles: [test]}"
    application = project.load(text, environment=environment, services=services)
    assert [service.name for service in application.services] == expected


def test_what_a_left_out_service_asks_for_is_nobodys_concern(project: Project) -> None:
    application = project.load(
        """
        services:
          web: {image: x}
          desk: {image: x, profiles: [desk], volumes: ['./src:/app'], links: [web]}
        """
    )
    assert [service.name for service in application.services] == ["web"]


@pytest.mark.parametrize(
    ("top", "environment", "given", "expected"),
    [
        ("", {}, None, "kitchen"),
        ("name: in-file", {}, None, "in-file"),
        ("name: in-${X}", {"X": "y"}, None, "in-y"),
        ("name: in-file", {"COMPOSE_PROJECT_NAME": "variable"}, None, "variable"),
        ("name: in-file", {"COMPOSE_PROJECT_NAME": "variable"}, "given", "given"),
    ],
)
def test_the_name(
    project: Project, top: str, environment: dict[str, str], given: str | None, expected: str
) -> None:
    text = service_file("user: a", top)
    assert project.load(text, environment=environment, name=given).name == expected


def test_what_is_ignored_is_said(project: Project) -> None:
    application = project.load(
        service_file("container_name: cc\nexpose: [80]\nattach: false\nnetwork_mode: host\nports: ['80:80']")
    )
    assert [notice.message for notice in application.notices] == [
        "compose.yaml:4: services.web.container_name is ignored: containers are named after the application "
        "and the service.",
        "compose.yaml:5: services.web.expose is ignored: services in the same network can reach all "
        "ports of each other.",
        "compose.yaml:6: services.web.attach is ignored: `resin logs` shows all services.",
        "compose.yaml:8: services.web.ports has no effect with network_mode: host.",
    ]
