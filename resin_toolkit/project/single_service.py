"""The service of a project without a compose file, from `resin.toml` and the defaults for a device."""

from __future__ import annotations

from collections.abc import Mapping

from resin_toolkit.project.application import Application, Build, Mount, Service, Volume
from resin_toolkit.project.settings import RunSettings, Settings

MAIN_SERVICE = "main"
"""The name of its service."""
DATA_ROOT = "/mnt/data/resin-data"
"""The folder on the device with a subfolder for the `/data` of each application."""
_DBUS = Mount("bind", "/host/run/dbus", "/run/dbus")
_BUS_ADDRESS = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/host/run/dbus/system_bus_socket"}
_MODULES = Mount("bind", "/lib/modules", "/lib/modules", read_only=True)
_FIRMWARE = Mount("bind", "/lib/firmware", "/lib/firmware", read_only=True)


def single_service(
    settings: Settings,
    app_name: str,
    service_name: str = MAIN_SERVICE,
    *,
    device_type: str = "",
    arch: str = "",
    image: str | None = None,
) -> Service:
    """Return the service. `device_type` and `arch` are those of the device; empty if they are unknown.

    With `image` nothing is built. Variables of the settings, and mounts with the same target, override the
    defaults.
    """
    run = settings.run
    return Service(
        service_name,
        build=None if image else _build(settings),
        image=image,
        command=run.command,
        environment={**_environment(run, app_name, service_name, device_type, arch), **run.env},
        mounts=_mounts(run, app_name),
        ports=run.ports,
        network_mode=_network(run),
        restart=run.restart,
        privileged=run.privileged,
        devices=run.devices,
        user=run.user,
        stop_signal=run.stop_signal,
        stop_grace_period=run.stop_grace,
    )


def single_application(settings: Settings, service: Service, app_name: str) -> Application:
    """Return an application of one service, with the volumes that it uses."""
    named = [mount.source for mount in service.mounts if mount.kind == "volume" and mount.source]
    return Application(
        app_name,
        (service,),
        volumes={name: Volume("") for name in named},
        files=(settings.file,) if settings.file else (),
    )


def _build(settings: Settings) -> Build:
    return Build(
        settings.context, settings.dockerfile, target=settings.build.target, args=settings.build.args
    )


def _network(run: RunSettings) -> str:
    """Ports cannot be published in the host network, so with ports the default is bridge."""
    network = run.network or ("bridge" if run.ports else "host")
    return "" if network == "bridge" else network


def _environment(
    run: RunSettings, app_name: str, service_name: str, device_type: str, arch: str
) -> Mapping[str, str]:
    values = {
        "": "1",
        "_DEVICE_TYPE": device_type,
        "_DEVICE_ARCH": arch,
        "_APP_NAME": app_name,
        "_SERVICE_NAME": service_name,
    }
    variables = {
        f"{family}{name}": value for family in ("RESIN", "BALENA") for name, value in values.items() if value
    }
    return {**(variables if run.environment else {}), **(_BUS_ADDRESS if run.dbus else {})}


def _mounts(run: RunSettings, app_name: str) -> tuple[Mount, ...]:
    """The volumes of the settings, and the default mounts of other targets."""
    defaults = (
        (run.data, Mount("bind", "/data", f"{DATA_ROOT}/{app_name}")),
        (run.kernel_modules, _MODULES),
        (run.firmware, _FIRMWARE),
        (run.dbus, _DBUS),
    )
    taken = {mount.target.rstrip("/") for mount in run.volumes}
    return (*run.volumes, *(mount for enabled, mount in defaults if enabled and mount.target not in taken))
