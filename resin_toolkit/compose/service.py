"""One service of the merged files as the record that `push` makes a container of."""

from __future__ import annotations

import re
from collections.abc import Mapping

from resin_toolkit.compose.build import build
from resin_toolkit.compose.environments import variables
from resin_toolkit.compose.features import features
from resin_toolkit.compose.load_context import Surroundings
from resin_toolkit.compose.mounts import mounts
from resin_toolkit.compose.nodes import Map, Node
from resin_toolkit.compose.ports import ports
from resin_toolkit.compose.problems import Unusable, Where
from resin_toolkit.compose.service_parts import depends_on, devices, extra_hosts, healthcheck, networks, watch
from resin_toolkit.compose.values import command, duration, flag, pairs, read, size, text, texts, words
from resin_toolkit.project.application import Mount, NetworkUse, Service

_RESTART = re.compile(r"no|always|unless-stopped|on-failure(:[0-9]+)?")
_IGNORED = {
    "container_name": "containers are named after the application and the service",
    "expose": "services of one network reach all ports of each other",
    "attach": "resin logs shows all services",
}


def service(name: str, node: Map, where: Where, around: Surroundings) -> Service:
    """The record of a service. What is unusable is told, and left out of it."""
    _tell_ignored(node, where)
    if not node.get("build") and not text(node.get("image")):
        where.bad(node, "has neither build nor image", "Add one of them.")
    labels = pairs(node.get("labels"))
    asked, socket = features(labels, where / "labels")
    mode = read(node.get("network_mode"), where / "network_mode", _network_mode, "")
    environment = variables(node, where, around)
    if socket:
        environment.setdefault("DOCKER_HOST", f"unix://{socket}")
    driver, options = _logging(node.get("logging"))
    grace = node.get("stop_grace_period")
    return Service(
        name=name,
        build=build(node.get("build"), where / "build", around),
        image=text(node.get("image")) or None,
        command=command(node.get("command"), where / "command"),
        entrypoint=command(node.get("entrypoint"), where / "entrypoint"),
        environment=environment,
        mounts=_once((*mounts(node, where), *asked)),
        ports=ports(node.get("ports"), where / "ports"),
        networks=_networks(node, where, mode),
        network_mode=mode,
        depends_on=depends_on(node.get("depends_on")),
        restart=read(node.get("restart"), where / "restart", _restart, "no"),
        privileged=_flag(node, where, "privileged"),
        cap_add=words(node.get("cap_add")),
        cap_drop=words(node.get("cap_drop")),
        devices=devices(node.get("devices"), where / "devices"),
        labels=texts(node.get("labels")),
        healthcheck=healthcheck(node.get("healthcheck"), where / "healthcheck"),
        user=text(node.get("user")),
        working_dir=text(node.get("working_dir")),
        hostname=text(node.get("hostname")),
        stop_signal=text(node.get("stop_signal")),
        stop_grace_period=read(grace, where / "stop_grace_period", duration, None),
        tty=_flag(node, where, "tty"),
        stdin_open=_flag(node, where, "stdin_open"),
        init=read(node.get("init"), where / "init", flag, None),
        read_only=_flag(node, where, "read_only"),
        extra_hosts=extra_hosts(node.get("extra_hosts"), where / "extra_hosts"),
        dns=words(node.get("dns")),
        security_opt=words(node.get("security_opt")),
        shm_size=read(node.get("shm_size"), where / "shm_size", size, None),
        group_add=words(node.get("group_add")),
        sysctls=texts(node.get("sysctls")),
        pid=read(node.get("pid"), where / "pid", _host_only, ""),
        ipc=read(node.get("ipc"), where / "ipc", _ipc, ""),
        logging_driver=driver,
        logging_options=options,
        engine_socket=socket,
        watch=watch(node.get("develop"), where / "develop" / "watch"),
    )


def _tell_ignored(node: Map, where: Where) -> None:
    for key, why in _IGNORED.items():
        if node.get(key) is not None:
            message = f"{node.key_place(key)}: {where / key} is ignored: {why}."
            where.findings.notice("compose-ignored", message)


def _flag(node: Map, where: Where, key: str) -> bool:
    return read(node.get(key), where / key, flag, False)


def _once(all_mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """What the file mounts counts before what a label asks for."""
    return tuple({mount.target: mount for mount in reversed(all_mounts)}.values())[::-1]


def _networks(node: Map, where: Where, mode: str) -> Mapping[str, NetworkUse]:
    """Where nothing is said, compose's network `default`, in which services find each other by name."""
    if not mode:
        return networks(node.get("networks")) or {"default": NetworkUse()}
    if node.get("networks") is not None:
        (where / "networks").bad(
            node.key_place("networks"), "cannot be together with network_mode", "Leave one of them out."
        )
    if mode == "host" and node.get("ports") is not None:
        message = f"{node.key_place('ports')}: {where / 'ports'} are without effect with network_mode: host."
        where.findings.notice("compose-ignored", message)
    return {}


def _network_mode(word: str) -> str:
    if word in ("host", "bridge", "none") or re.fullmatch("service:.+", word):
        return word
    raise Unusable(f"is not supported on a device: {word}", "There are host, bridge, none and service:NAME.")


def _host_only(word: str) -> str:
    if word == "host":
        return word
    raise Unusable(f"is not supported on a device: {word}", "There is only `host`.")


def _ipc(word: str) -> str:
    if word in ("host", "none", "private", "shareable"):
        return word
    raise Unusable(f"is not supported on a device: {word}", "There are host, none, private and shareable.")


def _restart(word: str) -> str:
    if _RESTART.fullmatch(word):
        return word
    raise Unusable(
        f"is no restart policy: {word}",
        'There are "no", always, unless-stopped, on-failure and on-failure:N.',
    )


def _logging(node: Node | None) -> tuple[str, dict[str, str]]:
    if not isinstance(node, Map):
        return "", {}
    return text(node.get("driver")), texts(node.get("options"))
