"""balena's feature labels, such as `io.balena.features.dbus: '1'`, which give a service access to the device.

On a device managed by balena, the supervisor acts on them; here the service gets the same mounts. The labels:
https://docs.balena.io/reference/supervisor/docker-compose/#labels
"""

from __future__ import annotations

from difflib import get_close_matches

from resin_toolkit.compose.nodes import Scalar
from resin_toolkit.compose.problems import ValuePath
from resin_toolkit.project.application import Mount

_PREFIXES = ("io.balena.features.", "io.resin.features.")
_CONDITIONS = "requires."
_MOUNTS = {
    "kernel-modules": (Mount("bind", "/lib/modules", "/lib/modules", read_only=True),),
    "firmware": (Mount("bind", "/lib/firmware", "/lib/firmware", read_only=True),),
    "dbus": (Mount("bind", "/host/run/dbus", "/run/dbus"),),
    "procfs": (Mount("bind", "/proc", "/proc"),),
    "sysfs": (Mount("bind", "/sys", "/sys"),),
    "journal-logs": (
        Mount("bind", "/var/log/journal", "/var/log/journal", read_only=True),
        Mount("bind", "/run/log/journal", "/run/log/journal", read_only=True),
        Mount("bind", "/etc/machine-id", "/etc/machine-id", read_only=True),
    ),
}
_SOCKETS = {"balena-socket", "docker-socket"}
ENGINE_SOCKET = "/host/run/balena-engine.sock"
"""The path of the engine's socket in the container, whatever its path on the device."""
_REFUSED = {
    "supervisor-api": "resin does not run balena's supervisor",
    "resin-supervisor-api": "resin does not run balena's supervisor",
    "balena-api": "resin does not use balenaCloud, so there is no API key",
    "resin-api": "resin does not use balenaCloud, so there is no API key",
    "gpu": "it requires balena's container runtime",
}
_HINTS = {
    "supervisor-api": "Use `resin`, or the engine's socket (`balena-socket`).",
    "resin-supervisor-api": "Use `resin`, or the engine's socket (`balena-socket`).",
    "gpu": "List the device files of the GPU in `devices`.",
}


def feature_mounts(labels: dict[str, Scalar], path: ValuePath) -> tuple[tuple[Mount, ...], str]:
    """Return the mounts for the labels of a service, and the path of the engine's socket if it gets that."""
    mounts: list[Mount] = []
    socket = ""
    for label, value in labels.items():
        prefix = next((prefix for prefix in _PREFIXES if label.startswith(prefix)), "")
        name = label.removeprefix(prefix)
        if not prefix or name.startswith(_CONDITIONS) or not _is_enabled(value):
            continue
        if name in _REFUSED:
            path.add_problem(value, f"has {label}: {_REFUSED[name]}", _HINTS.get(name, "Remove the label."))
        elif name in _SOCKETS:
            socket = ENGINE_SOCKET
        elif name in _MOUNTS:
            mounts += _MOUNTS[name]
        else:
            close = get_close_matches(name, [*_MOUNTS, *_SOCKETS, *_REFUSED], n=1)
            hint = (
                f"Did you mean {prefix}{close[0]}?"
                if close
                else f"Known features: {', '.join(sorted(_MOUNTS))}."
            )
            path.add_problem(value, f"has {label}, which is not a known feature", hint)
    return tuple(mounts), socket


def _is_enabled(value: Scalar) -> bool:
    return value.text.lower() in ("1", "true")
