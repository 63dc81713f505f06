"""Rebooting a device and verifying that it did."""

from __future__ import annotations

import time
from collections.abc import Callable

from resin_toolkit import engine
from resin_toolkit.device.record import Device
from resin_toolkit.engine.transport.ssh_transport import SOCKETS
from resin_toolkit.errors import HostKeyUnverified, NotPermitted, NotSupported, Unreachable
from resin_toolkit.ssh import Shell, connect

_BOOT_ID = "cat /proc/sys/kernel/random/boot_id; cut -d ' ' -f 22 /proc/1/stat"
"""Differs after each boot: the boot ID, and the start time of the first process (proc(5))."""
_REBOOT = "if command -v systemctl >/dev/null 2>&1 && systemctl reboot; then :; else reboot; fi"
_SHUTDOWN_TIMEOUT = 60.0
_BOOT_TIMEOUT = 300.0


def reboot_device(shell: Shell) -> str:
    """Reboot the device and wait until it is down; returns the ID of the boot that ended.

    Raises NotPermitted, NotSupported, and Unreachable if it does not go down.
    """
    host = shell.device.host
    boot = shell.run(_BOOT_ID).out.decode(errors="replace").strip()
    try:
        done = shell.run(_REBOOT, within=_SHUTDOWN_TIMEOUT)
    except Unreachable as error:
        if error.facts.get("cause") == "lost":
            return boot
        raise
    if done.code == 127:
        raise NotSupported(f"{host} has no program to reboot it.", hint="Power it off and on.")
    if done.code not in (0, 255):
        raise NotPermitted(
            f"{host} cannot be rebooted: exit code {done.code}.",
            hint=f"Log in as root instead of {shell.user}.",
        )
    deadline = time.monotonic() + _SHUTDOWN_TIMEOUT
    while time.monotonic() < deadline:
        try:
            shell.run("true", within=5.0)
        except Unreachable:
            return boot
        time.sleep(0.2)
    raise Unreachable(
        f"{host} is still up {_SHUTDOWN_TIMEOUT:g} s after the reboot command.",
        hint="Something blocks its shutdown: look with `resin ssh`.",
        cause="still-up",
    )


def wait_for_reboot(device: Device, boot: str, ask: Callable[[str], str] | None) -> None:
    """Wait until `device` responds with a boot ID other than `boot`.

    Raises Unreachable, HostKeyChanged, LoginRefused.
    """
    deadline = time.monotonic() + _BOOT_TIMEOUT
    while True:
        try:
            with connect(device, within=2.0, ask=ask) as shell:
                if shell.run(_BOOT_ID).out.decode(errors="replace").strip() != boot:
                    return
        except Unreachable:
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise Unreachable(
                f"{device.host} responds, but has not rebooted.", hint="Try again.", cause="still-up"
            )
        time.sleep(0.5)


def has_engine(shell: Shell) -> bool:
    """Whether an engine, or the socket that starts it, listens on the device."""
    return shell.run(" || ".join(f"test -S {path}" for path in SOCKETS)).code == 0


def wait_for_engine(device: Device, ask: Callable[[str], str] | None) -> None:
    """Wait until the engine of `device` responds, which starts later than the SSH server.

    Raises what `engine.connect` raises, if that persists for minutes.
    """
    deadline = time.monotonic() + _BOOT_TIMEOUT
    while True:
        try:
            engine.connect(device, ask=ask).close()
        except (HostKeyUnverified, Unreachable):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return
