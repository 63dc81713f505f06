"""Read a service of the merged files into the record that `resin push` creates a container from."""

from __future__ import annotations

import re
from collections.abc import Mapping

from resin_toolkit.compose.features import feature_mounts
from resin_toolkit.compose.load_context import LoadContext
from resin_toolkit.compose.mounts import read_mounts
from resin_toolkit.compose.nodes import Map, Node
from resin_toolkit.compose.ports import read_ports
from resin_toolkit.compose.problems import InvalidValue, ValuePath
from resin_toolkit.compose.service_parts import (
    read_build,
    read_depends_on,
    read_devices,
    read_extra_hosts,
    read_healthcheck,
    read_service_environment,
    read_service_networks,
    read_watch_rules,
)
from resin_toolkit.compose.values import (
    command_words,
    parse_bool,
    parse_duration,
    parse_scalar,
    parse_size,
    scalar_map,
    string_map,
    strings,
    text,
)
from resin_toolkit.project.application import RESTART_POLICIES, Mount, NetworkUse, Service, is_restart_policy

_IGNORED = {
    "container_name": "containers are named after the application and the service",
    "expose": "services in the same network can reach all ports of each other",
    "attach": "`resin logs` shows all services",
}


def read_service(name: str, node: Map, path: ValuePath, load_context: LoadContext) -> Service:
    """Return the record of a service. Invalid values are reported and left out."""
    _report_ignored(node, path)
    if not node.get("build") and not text(node.get("image")):
        path.add_problem(node, "has neither build nor image", "Add one of them.")
    labels = scalar_map(node.get("labels"))
    mounts, socket = feature_mounts(labels, path / "labels")
    mode = parse_scalar(node.get("network_mode"), path / "network_mode", _network_mode, "")
    environment = read_service_environment(node, path, load_context)
    if socket:
        environment.setdefault("DOCKER_HOST", f"unix://{socket}")
    driver, options = _logging(node.get("logging"))
    stop_grace_period = node.get("stop_grace_period")
    return Service(
        name=name,
        build=read_build(node.get("build"), path / "build", load_context),
        image=text(node.get("image")) or None,
        command=command_words(node.get("command"), path / "command"),
        entrypoint=command_words(node.get("entrypoint"), path / "entrypoint"),
        environment=environment,
        mounts=_without_duplicates((*read_mounts(node, path), *mounts)),
        ports=read_ports(node.get("ports"), path / "ports"),
        networks=_networks(node, path, mode),
        network_mode=mode,
        depends_on=read_depends_on(node.get("depends_on")),
        restart=parse_scalar(node.get("restart"), path / "restart", _restart, "no"),
        privileged=_flag(node, path, "privileged"),
        cap_add=strings(node.get("cap_add")),
        cap_drop=strings(node.get("cap_drop")),
        devices=read_devices(node.get("devices"), path / "devices"),
        labels=string_map(node.get("labels")),
        healthcheck=read_healthcheck(node.get("healthcheck"), path / "healthcheck"),
        user=text(node.get("user")),
        working_dir=text(node.get("working_dir")),
        hostname=text(node.get("hostname")),
        stop_signal=text(node.get("stop_signal")),
        stop_grace_period=parse_scalar(stop_grace_period, path / "stop_grace_period", parse_duration, None),
        tty=_flag(node, path, "tty"),
        stdin_open=_flag(node, path, "stdin_open"),
        init=parse_scalar(node.get("init"), path / "init", parse_bool, None),
        read_only=_flag(node, path, "read_only"),
        extra_hosts=read_extra_hosts(node.get("extra_hosts"), path / "extra_hosts"),
        dns=strings(node.get("dns")),
        security_opt=strings(node.get("security_opt")),
        shm_size=parse_scalar(node.get("shm_size"), path / "shm_size", parse_size, None),
        group_add=strings(node.get("group_add")),
        sysctls=string_map(node.get("sysctls")),
        pid=parse_scalar(node.get("pid"), path / "pid", _host_only, ""),
        ipc=parse_scalar(node.get("ipc"), path / "ipc", _ipc, ""),
        logging_driver=driver,
        logging_options=options,
        engine_socket=socket,
        watch=read_watch_rules(node.get("develop"), path / "develop" / "watch"),
    )


def _report_ignored(node: Map, path: ValuePath) -> None:
    for key, why in _IGNORED.items():
        if node.get(key) is not None:
            message = f"{node.key_location(key)}: {path / key} is ignored: {why}."
            path.diagnostics.notice("compose-ignored", message)


def _flag(node: Map, path: ValuePath, key: str) -> bool:
    return parse_scalar(node.get(key), path / key, parse_bool, False)


def _without_duplicates(all_mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """A mount in the file takes precedence over one of a label."""
    return tuple({mount.target: mount for mount in reversed(all_mounts)}.values())[::-1]


def _networks(node: Map, path: ValuePath, mode: str) -> Mapping[str, NetworkUse]:
    """Without any, the network `default`, in which services reach each other by name."""
    if not mode:
        return read_service_networks(node.get("networks")) or {"default": NetworkUse()}
    if node.get("networks") is not None:
        (path / "networks").add_problem(
            node.key_location("networks"), "cannot be combined with network_mode", "Remove one of them."
        )
    if mode == "host" and node.get("ports") is not None:
        message = f"{node.key_location('ports')}: {path / 'ports'} has no effect with network_mode: host."
        path.diagnostics.notice("compose-ignored", message)
    return {}


def _network_mode(word: str) -> str:
    if word in ("host", "bridge", "none") or re.fullmatch("service:.+", word):
        return word
    raise InvalidValue(f"is not supported on a device: {word}", "Use host, bridge, none or service:NAME.")


def _host_only(word: str) -> str:
    if word == "host":
        return word
    raise InvalidValue(f"is not supported on a device: {word}", "Use `host`.")


def _ipc(word: str) -> str:
    if word in ("host", "none", "private", "shareable"):
        return word
    raise InvalidValue(f"is not supported on a device: {word}", "Use host, none, private or shareable.")


def _restart(word: str) -> str:
    if is_restart_policy(word):
        return word
    raise InvalidValue(
        f"is not a restart policy: {word}",
        f'Use {RESTART_POLICIES}; quote "no".',
    )


def _logging(node: Node | None) -> tuple[str, dict[str, str]]:
    if not isinstance(node, Map):
        return "", {}
    return text(node.get("driver")), string_map(node.get("options"))
