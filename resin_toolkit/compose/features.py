"""balena's labels that ask for something of the device: `io.balena.features.dbus: '1'`.

On a device that balena manages its supervisor acts on them; here the service is given the same mounts.
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
"""ValuePath a service finds the engine's socket, whatever it is called on the device."""
_REFUSED = {
    "supervisor-api": "there is no supervisor on a device that resin pushes to",
    "resin-supervisor-api": "there is no supervisor on a device that resin pushes to",
    "balena-api": "there is no key of balena's cloud on a device that resin pushes to",
    "resin-api": "there is no key of balena's cloud on a device that resin pushes to",
    "gpu": "it is for x86 boards with balena's own runtime",
}
_SAID = {
    "supervisor-api": "Use `resin` from the workstation, or the engine's socket (`balena-socket`).",
    "resin-supervisor-api": "Use `resin` from the workstation, or the engine's socket (`balena-socket`).",
    "gpu": "Name the nodes of the GPU below `devices`.",
}


def feature_mounts(labels: dict[str, Scalar], path: ValuePath) -> tuple[tuple[Mount, ...], str]:
    """The mounts that a service's labels ask for, and where it finds the engine's socket."""
    mounts: list[Mount] = []
    socket = ""
    for label, value in labels.items():
        prefix = next((prefix for prefix in _PREFIXES if label.startswith(prefix)), "")
        name = label.removeprefix(prefix)
        if not prefix or name.startswith(_CONDITIONS) or not _asked(value):
            continue
        if name in _REFUSED:
            path.add_problem(value, f"has {label}: {_REFUSED[name]}", _SAID.get(name, "Leave it out."))
        elif name in _SOCKETS:
            socket = ENGINE_SOCKET
        elif name in _MOUNTS:
            mounts += _MOUNTS[name]
        else:
            close = get_close_matches(name, [*_MOUNTS, *_SOCKETS, *_REFUSED], n=1)
            hint = (
                f"Did you mean {prefix}{close[0]}?" if close else f"There are {', '.join(sorted(_MOUNTS))}."
            )
            path.add_problem(value, f"has {label}, which is not a feature of a device", hint)
    return tuple(mounts), socket


def _asked(value: Scalar) -> bool:
    return value.text.lower() in ("1", "true")
