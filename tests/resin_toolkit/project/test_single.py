"""What a single app gets: what `resin.toml` says, and what the OS gives it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from resin_toolkit.project.application import Build, Mount, Port, Volume
from resin_toolkit.project.settings import BuildSettings, RunSettings, Settings
from resin_toolkit.project.single_service import single_application, single_service

FOLDER = Path("/home/me/radio")
PLAIN = Settings(FOLDER)
DATA = Mount("bind", "/data", "/mnt/data/resin-data/radio")
MODULES = Mount("bind", "/lib/modules", "/lib/modules", read_only=True)
FIRMWARE = Mount("bind", "/lib/firmware", "/lib/firmware", read_only=True)
DBUS = Mount("bind", "/host/run/dbus", "/run/dbus")


def ran(**changes: object) -> Settings:
    return replace(PLAIN, run=RunSettings(**changes))  # type: ignore[arg-type]


def test_what_the_os_gives() -> None:
    service = single_service(PLAIN, "radio", device_type="raspberrypi3", arch="armv7hf")
    assert service.name == "main"
    assert service.build == Build(FOLDER)
    assert (service.restart, service.network_mode, service.privileged) == ("always", "host", True)
    assert service.mounts == (DATA, MODULES, FIRMWARE, DBUS)
    assert service.environment == {
        "RESIN": "1",
        "RESIN_DEVICE_TYPE": "raspberrypi3",
        "RESIN_DEVICE_ARCH": "armv7hf",
        "RESIN_APP_NAME": "radio",
        "RESIN_SERVICE_NAME": "main",
        "BALENA": "1",
        "BALENA_DEVICE_TYPE": "raspberrypi3",
        "BALENA_DEVICE_ARCH": "armv7hf",
        "BALENA_APP_NAME": "radio",
        "BALENA_SERVICE_NAME": "main",
        "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/host/run/dbus/system_bus_socket",
    }


def test_what_is_not_known_of_the_device_is_not_told() -> None:
    assert not [name for name in single_service(PLAIN, "radio").environment if "_DEVICE_" in name]


@pytest.mark.parametrize(
    ("key", "mount"), [("data", DATA), ("kernel_modules", MODULES), ("firmware", FIRMWARE), ("dbus", DBUS)]
)
def test_each_mount_can_be_switched_off(key: str, mount: Mount) -> None:
    service = single_service(ran(**{key: False}), "radio")
    given = single_service(PLAIN, "radio").mounts
    assert [one for one in given if one not in service.mounts] == [mount]
    assert ("DBUS_SYSTEM_BUS_ADDRESS" in service.environment) is (key != "dbus")


def test_the_variables_can_be_switched_off() -> None:
    service = single_service(ran(environment=False, env={"A": "1"}), "radio", device_type="x")
    assert set(service.environment) == {"A", "DBUS_SYSTEM_BUS_ADDRESS"}


def test_what_the_settings_name_counts_more() -> None:
    own = Mount("volume", "/data/", "state")
    service = single_service(ran(volumes=(own,), env={"RESIN_APP_NAME": "mine", "X": "1"}), "radio")
    assert service.mounts == (own, MODULES, FIRMWARE, DBUS)
    assert service.environment["RESIN_APP_NAME"] == "mine"
    assert service.environment["BALENA_APP_NAME"] == "radio"
    assert service.environment["X"] == "1"


@pytest.mark.parametrize(
    ("network", "ports", "mode"),
    [
        (None, (), "host"),
        (None, (Port(80, 8080),), ""),
        ("bridge", (), ""),
        ("host", (), "host"),
        ("none", (), "none"),
    ],
)
def test_who_publishes_ports_is_not_on_the_hosts_network(
    network: str | None, ports: tuple[Port, ...], mode: str
) -> None:
    service = single_service(ran(network=network, ports=ports), "radio")
    assert service.network_mode == mode
    assert service.ports == ports


def test_how_it_is_built() -> None:
    source = FOLDER / "app"
    settings = replace(
        PLAIN, source=source, dockerfile="Dockerfile.x", build=BuildSettings({"A": "1"}, "final")
    )
    service = single_service(settings, "radio")
    assert service.build == Build(source, "Dockerfile.x", target="final", args={"A": "1"})
    assert service.image is None


def test_an_image_is_not_built() -> None:
    service = single_service(PLAIN, "radio", image="busybox")
    assert (service.build, service.image) == (None, "busybox")


def test_the_rest_is_handed_on() -> None:
    service = single_service(
        ran(
            command=("a", "b"),
            user="me",
            stop_signal="SIGINT",
            stop_grace=3.0,
            restart="no",
            privileged=False,
        ),
        "radio",
        "tuner",
    )
    assert (service.name, service.environment["RESIN_SERVICE_NAME"]) == ("tuner", "tuner")
    assert (service.command, service.user, service.stop_signal) == (("a", "b"), "me", "SIGINT")
    assert (service.stop_grace_period, service.restart, service.privileged) == (3.0, "no", False)


def test_the_application_has_the_volumes_that_are_named() -> None:
    settings = ran(volumes=(Mount("volume", "/cache", "cache"), Mount("bind", "/music", "/mnt/data/music")))
    settings = replace(settings, file=FOLDER / "resin.toml")
    service = single_service(settings, "radio")
    application = single_application(settings, service, "radio")
    assert (application.name, application.services) == ("radio", (service,))
    assert application.volumes == {"cache": Volume("")}
    assert application.files == (FOLDER / "resin.toml",)
    assert single_application(PLAIN, service, "radio").files == ()
