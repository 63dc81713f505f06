"""Refuse the features of compose that are not supported on a device, each with an alternative.

`_SUPPORTED` lists the keys that are read. Every other key that the schema allows is refused, so that nothing
in a file is silently ignored.
"""

from __future__ import annotations

from collections.abc import Iterator

from resin_toolkit.compose.nodes import List, Map, Node, format_path
from resin_toolkit.compose.problems import Diagnostics

_SERVICE = (
    "build image command entrypoint environment env_file volumes ports networks network_mode depends_on "
    "restart privileged cap_add cap_drop devices labels healthcheck user working_dir hostname stop_signal "
    "stop_grace_period develop tty stdin_open init read_only tmpfs extra_hosts dns security_opt shm_size "
    "group_add sysctls pid ipc logging profiles container_name expose attach extends"
)
_SUPPORTED = {
    "": "version name services networks volumes",
    "services.*": _SERVICE,
    "services.*.build": "context dockerfile args target cache_from labels network",
    "services.*.volumes.*": "type source target read_only bind volume tmpfs consistency",
    "services.*.volumes.*.bind": "propagation create_host_path",
    "services.*.volumes.*.volume": "nocopy",
    "services.*.volumes.*.tmpfs": "size mode",
    "services.*.ports.*": "target published protocol host_ip name app_protocol",
    "services.*.networks.*": "aliases ipv4_address ipv6_address",
    "services.*.depends_on.*": "condition required",
    "services.*.healthcheck": "test disable interval timeout retries start_period",
    "services.*.logging": "driver options",
    "services.*.develop": "watch",
    "services.*.develop.watch.*": "action path target ignore include",
    "networks.*": "name driver driver_opts internal external labels ipam",
    "networks.*.ipam": "config",
    "networks.*.ipam.config.*": "subnet",
    "volumes.*": "name driver driver_opts external labels",
}
_NO_LIMITS = "resin does not limit memory, CPU or processes: remove the key."
_NO_SECRETS = "Use `environment` or `env_file`, or copy the file into the image."
_ADVICE = {
    "include": "Name the files on the command line, or reuse services with `extends`.",
    "secrets": _NO_SECRETS,
    "configs": "Copy the file into the image, or pass its values in `environment`.",
    "models": "Run the model in a service of its own.",
    "jobs": 'Define a service with `restart: "no"` instead.',
    "annotations": "Use `labels`.",
    "cgroup_parent": _NO_LIMITS,
    "blkio_config": _NO_LIMITS,
    "ulimits": "Set them in the container's entrypoint with `ulimit`.",
    "deploy": "A device runs one container of each service: use `restart` for its policy.",
    "scale": "A device runs one container of each service: write a second service, with `extends`.",
    "device_cgroup_rules": "List the device files in `devices`, or use `privileged: true`.",
    "credential_spec": "It is for Windows containers: remove the key.",
    "isolation": "It is for Windows containers: remove the key.",
    "dns_opt": "Use `dns`.",
    "dns_search": "Use full names, or `extra_hosts`.",
    "domainname": "Write the full name into `hostname`.",
    "external_links": "Connect both containers to the same `external` network.",
    "links": "Services in the same network reach each other by name; add names with `aliases` in `networks`.",
    "gpus": "List the device files of the GPU in `devices`.",
    "runtime": "The default runtime of the engine is used: remove the key.",
    "label_file": "List them in `labels`.",
    "platform": "Images are built and pulled for the device's architecture: remove the key.",
    "platforms": "Images are built for the device's architecture: remove the key.",
    "pull_policy": "An image is pulled if the device does not have it: remove the key.",
    "volumes_from": "Mount the same named volume in both services.",
    "pre_start": "Do it in the entrypoint, or in a service that others depend on (`depends_on`).",
    "post_start": "Do it in the container's entrypoint.",
    "pre_stop": "Handle `stop_signal` in the program.",
    "provider": "Only containers run on a device.",
    "use_api_socket": "Use the label `io.balena.features.balena-socket: '1'`.",
    "mac_address": "The engine chooses the address: remove the key.",
    "userns_mode": "Use `user`.",
    "dockerfile_inline": "Write it to a file and set `dockerfile`.",
    "additional_contexts": "Put the files into the `context` folder, or use a build stage (`FROM … AS …`).",
    "tags": "Set `image` of the service.",
    "ssh": "Fetch what needs the key before the build, and COPY it.",
    "no_cache": "Say it on the command line: leave it out here.",
    "no_cache_filter": "Remove the key.",
    "pull": "Remove the key.",
    "subpath": "Use a separate volume for the folder.",
    "selinux": "Devices have no SELinux: remove the key.",
    "recursive": "Remove the key.",
    "image": "Copy its files into the image of the service.",
    "start_interval": "Engines of older devices do not support it: use `interval` and `start_period`.",
    "exec": "Use the action `sync+restart`, and run the program in the entrypoint.",
    "initial_sync": "The image contains the current files: remove the key.",
    "enable_ipv6": "Add an IPv6 subnet to `ipam`.",
    "mode": "Ports are published on the device: remove the key.",
}
_BUILD_ADVICE = {"secrets": "Fetch what needs the secret before the build, and COPY it."}
_LIMITS = ("mem", "cpu", "pids", "oom", "blkio", "shm", "cgroup", "ulimits", "storage")


def check_supported(tree: Map, diagnostics: Diagnostics) -> None:
    """Report every key in the merged files that is not supported on a device."""
    for pattern, names in _SUPPORTED.items():
        known = set(names.split())
        for path, node in _matching(tree, tuple(filter(None, pattern.split(".")))):
            for key, _ in node.items():
                if key not in known:
                    name = format_path((*path, key))
                    diagnostics.add(
                        node.key_location(key), f"{name} is not supported on a device", _advice(pattern, key)
                    )


def _advice(pattern: str, key: str) -> str:
    if pattern.endswith(".build") and key in _BUILD_ADVICE:
        return _BUILD_ADVICE[key]
    if key in _ADVICE:
        return _ADVICE[key]
    return _NO_LIMITS if key.startswith(_LIMITS) else "Remove the key."


def _matching(
    node: Node, pattern: tuple[str, ...], path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Map]]:
    """The mappings at a path in which `*` matches any key or item."""
    if not pattern:
        if isinstance(node, Map):
            yield path, node
        return
    step, *rest = pattern
    if isinstance(node, Map):
        for key, below in node.entries.items():
            if step in ("*", key):
                yield from _matching(below, tuple(rest), (*path, key))
    elif isinstance(node, List) and step == "*":
        for number, below in enumerate(node.items):
            yield from _matching(below, tuple(rest), (*path, number))
