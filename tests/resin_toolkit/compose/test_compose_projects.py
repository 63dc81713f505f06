"""Files as projects have them: all of each is read, or all that cannot be is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from resin_toolkit.compose.loader import load_application
from resin_toolkit.errors import ComposeInvalid
from resin_toolkit.project.application import (
    Application,
    DependencyCondition,
    DeviceNode,
    Mount,
    Network,
    NetworkUse,
    Service,
    Volume,
)

PROJECTS = Path(__file__).parent / "projects"


def project(name: str, **environment: str) -> Application:
    return load_application(PROJECTS, [PROJECTS / f"{name}.yml"], environment=environment, name=None)


def test_sensors() -> None:
    application = project("sensors", INFLUX_PASSWORD="hunter2")
    assert [service.name for service in application.services] == ["mqtt", "influxdb", "grafana", "sensor"]
    mqtt, influx, grafana, sensor = application.services
    assert {service.restart for service in application.services} == {"always"}
    assert mqtt.command == ("mosquitto", "-c", "/mosquitto-no-auth.conf")
    assert influx.image == "influxdb:1.8"
    assert influx.environment["INFLUXDB_ADMIN_PASSWORD"] == "hunter2"
    assert [(port.host, port.container) for port in grafana.ports] == [(80, 3000)]
    assert sensor.devices == (DeviceNode("/dev/i2c-1", "/dev/i2c-1"),)
    assert sensor.mounts == (
        Mount("tmpfs", "/tmp"),
        Mount("bind", "/lib/modules", "/lib/modules", True),
        Mount("bind", "/host/run/dbus", "/run/dbus"),
        Mount("bind", "/sys", "/sys"),
    )
    assert set(application.volumes) == {"influx-data", "grafana-data", "mosquitto-data"}


def test_a_home() -> None:
    application = project("home")
    hub, zigbee, broker = application.services
    assert (hub.network_mode, hub.networks, hub.privileged) == ("host", {}, True)
    assert hub.healthcheck is not None
    assert (hub.healthcheck.interval, hub.healthcheck.start_period) == (60, 150)
    assert zigbee.depends_on == {"broker": DependencyCondition.HEALTHY}
    assert broker.healthcheck is not None
    assert broker.healthcheck.test == ("CMD-SHELL", "mosquitto_sub -t '$SYS/#' -C 1 | grep -v Error")
    assert application.volumes["zigbee"].name == "zigbee-data"


def test_a_tunnel() -> None:
    application = project("tunnel")
    tunnel, worker, proxy, store = application.services
    assert tunnel.networks == {"outside": NetworkUse(("vpn",), "172.28.5.2")}
    assert (worker.network_mode, worker.networks) == ("service:tunnel", {})
    assert worker.command == ("while true; do wget -qO- http://example.com; sleep ${PAUSE:-60}; done",)
    assert worker.environment == {"LOG_LEVEL": "info"}
    assert list(proxy.networks) == ["outside", "inside"]
    assert store.command == ("redis-server", "--save", "60", "1", "--loglevel", "warning")
    assert application.networks == {
        "outside": Network("", "bridge", subnets=("172.28.5.0/24",)),
        "inside": Network("", internal=True),
    }


def test_a_desk() -> None:
    with pytest.raises(ComposeInvalid) as caught:
        project("desk")
    assert [line.partition(" is ")[0] for line in caught.value.message.splitlines()] == [
        "desk.yml:7: services.web.volumes[0] mounts ., which",
        "desk.yml:9: services.web.volumes[2] mounts ./config, which",
        "desk.yml:12: services.web.links",
        "desk.yml:14: services.web.deploy",
        "desk.yml:22: services.db.mem_limit",
        "desk.yml:23: services.db.volumes[1] mounts ./init.sql, which",
        "desk.yml:24: services.db.secrets",
        "desk.yml:26: secrets",
    ]
    assert "hunter2" not in caught.value.message


def test_a_service_that_only_names_an_image_has_the_defaults_elsewhere() -> None:
    application = project("sensors", INFLUX_PASSWORD="hunter2")
    assert application.services[1] == Service(
        "influxdb",
        image="influxdb:1.8",
        environment={"INFLUXDB_ADMIN_PASSWORD": "hunter2", "INFLUXDB_DB": "balena"},
        mounts=(Mount("volume", "/var/lib/influxdb", "influx-data"),),
        networks={"default": NetworkUse()},
        restart="always",
        logging_driver="json-file",
        logging_options={"max-size": "5m"},
    )
    assert application.volumes == dict.fromkeys(("influx-data", "grafana-data", "mosquitto-data"), Volume(""))


@pytest.mark.parametrize("name", ["sensors", "home", "tunnel"])
def test_an_application_is_named_after_its_folder(name: str) -> None:
    assert project(name).name == "projects"
