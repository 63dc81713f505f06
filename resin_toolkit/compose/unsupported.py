"""What compose knows and a device is not given: each with the reason or with what to use instead.

`_SUPPORTED` says what is read; all else that the schema allows is refused, so that nothing in a file is
silently without effect.
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
_NO_LIMITS = "resin sets no limits of memory, processors or processes: leave it out."
_NO_SECRETS = "Put the value into `environment` or a file of `env_file`, or copy the file into the image."
_ADVICE = {
    "include": "Name the files on the command line, or take services over with `extends`.",
    "secrets": _NO_SECRETS,
    "configs": "Copy the file into the image in the Dockerfile, or bring its values by `environment`.",
    "models": "Run the model in a service of its own.",
    "jobs": 'Make it a service with `restart: "no"`, and start it with what runs on the device.',
    "annotations": "Use `labels`.",
    "cgroup_parent": _NO_LIMITS,
    "blkio_config": _NO_LIMITS,
    "ulimits": "Set them in the container's entrypoint with `ulimit`.",
    "deploy": "A device runs one container of each service: use `restart` for its policy.",
    "scale": "A device runs one container of each service: write a second service, with `extends`.",
    "device_cgroup_rules": "Name the nodes below `devices`, or use `privileged: true`.",
    "credential_spec": "It is for Windows containers: leave it out.",
    "isolation": "It is for Windows containers: leave it out.",
    "dns_opt": "Use `dns`.",
    "dns_search": "Use full names, or `extra_hosts`.",
    "domainname": "Write the full name into `hostname`.",
    "external_links": "Put both containers into one network that is `external`.",
    "links": "Services of one network reach each other by name; other names are `aliases` of `networks`.",
    "gpus": "Name the nodes of the GPU below `devices`.",
    "runtime": "The engine's own runtime is used: leave it out.",
    "label_file": "Write them out below `labels`.",
    "platform": "Images are built and pulled for the device's own processor: leave it out.",
    "platforms": "Images are built for the device's own processor: leave it out.",
    "pull_policy": "An image is pulled where the device has none of that name: leave it out.",
    "volumes_from": "Give both services the same named volume below `volumes`.",
    "pre_start": "Do it in the entrypoint, or in a service that others wait for by `depends_on`.",
    "post_start": "Do it in the container's entrypoint.",
    "pre_stop": "Handle `stop_signal` in the program.",
    "provider": "Only containers run on a device.",
    "use_api_socket": "Use the label `io.balena.features.balena-socket: '1'`.",
    "mac_address": "The engine gives each container an address: leave it out.",
    "userns_mode": "Use `user`.",
    "dockerfile_inline": "Put its text into a file, and name that with `dockerfile`.",
    "additional_contexts": "Put the files below `context`, or use a stage of the Dockerfile (`FROM … AS …`).",
    "tags": "Name the image with the service's `image`.",
    "ssh": "Fetch what needs the key before building, and COPY it.",
    "no_cache": "Say it on the command line: leave it out here.",
    "no_cache_filter": "Leave it out.",
    "pull": "Leave it out.",
    "subpath": "Give the folder a volume of its own.",
    "selinux": "Devices have no SELinux: leave it out.",
    "recursive": "Leave it out.",
    "image": "Copy what it holds into the service's own image.",
    "start_interval": "The engines of older devices do not know it: use `interval` and `start_period`.",
    "exec": "Use the action `sync+restart`, and run the program in the entrypoint.",
    "initial_sync": "The image is built with the files as they are: leave it out.",
    "enable_ipv6": "Give the network an IPv6 subnet below `ipam`.",
    "mode": "Ports are those of the device: leave it out.",
}
_OF_BUILD = {"secrets": "Fetch what needs the secret before building, and COPY it."}
_LIMITS = ("mem", "cpu", "pids", "oom", "blkio", "shm", "cgroup", "ulimits", "storage")


def check_supported(tree: Map, diagnostics: Diagnostics) -> None:
    """Tell all in the merged files that no device is given."""
    for pattern, names in _SUPPORTED.items():
        known = set(names.split())
        for path, node in _matching(tree, tuple(filter(None, pattern.split(".")))):
            for key, _ in node.items():
                if key not in known:
                    what = format_path((*path, key))
                    diagnostics.add(
                        node.key_location(key), f"{what} is not supported on a device", _advice(pattern, key)
                    )


def _advice(pattern: str, key: str) -> str:
    if pattern.endswith(".build") and key in _OF_BUILD:
        return _OF_BUILD[key]
    if key in _ADVICE:
        return _ADVICE[key]
    return _NO_LIMITS if key.startswith(_LIMITS) else "Leave it out."


def _matching(
    node: Node, pattern: tuple[str, ...], path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Map]]:
    """The mappings at a path in which `*` is any name or item."""
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
