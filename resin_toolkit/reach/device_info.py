"""Reading the facts of a device over SSH and from its engine."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.facts import DeviceFacts, Variant
from resin_toolkit.device.record import Device
from resin_toolkit.errors import HostKeyChanged, ResinError, Unreachable
from resin_toolkit.os_release import parse_os_release
from resin_toolkit.untrusted_json import one_line

WITHIN = 2.5
"""Seconds for each connection to a device on the local network."""

OnFacts = Callable[[DeviceFacts], None]
"""Called with the facts known so far."""

_MARK = "--resin--"
# Only the needed key of config.json is read: the file contains secrets.
_SCRIPT = f"""
cat /etc/os-release; echo; echo {_MARK}
cat /mnt/boot/device-type.json; echo; echo {_MARK}
grep -o '"developmentMode" *: *[^,}}]*' /mnt/boot/config.json
true
"""
_ENGINE_NAMES = re.compile(r"(?P<name>.*\D)\s+v?(?P<version>\d\S*)(?:\s+\(.*\))?")


def probe(
    device: Device,
    on_facts: OnFacts | None = None,
    *,
    within: float = WITHIN,
    deadline: float | None = None,
    containers: bool = True,
) -> DeviceFacts:
    """Read the facts of `device` without prompting for a password; unknown facts stay empty.

    SSH and the engine are queried in parallel, each with `within` seconds for its connection. At `deadline`
    (of time.monotonic) the facts known by then are returned. Failures are not raised but listed in
    `DeviceFacts.problems`. Without `containers`, those are not listed.
    """
    collector = _FactsCollector(on_facts)
    threads = [
        threading.Thread(
            target=thread, args=(device, within, collector), name=f"ask {device.host}", daemon=True
        )
        for thread in (_read_from_ssh, partial(_read_from_engine, containers=containers))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
    return collector.facts


class _FactsCollector:
    """Collects the facts of one device from several threads."""

    def __init__(self, on_facts: OnFacts | None) -> None:
        self.facts = DeviceFacts()
        self._on_facts = on_facts
        self._lock = threading.Lock()

    def add(self, **known: Any) -> None:
        with self._lock:
            self.facts = replace(self.facts, **known)
            if self._on_facts:
                self._on_facts(self.facts)

    def add_os(self, name: str, version: str) -> None:
        """Add the name of the OS as the engine reports it, unless os-release gave it."""
        if name and not self.facts.os_name:
            self.add(os_name=name, os_version=version)

    def add_problem(self, problem: ResinError) -> None:
        if problem.message not in self.facts.problems:
            self.add(problems=(*self.facts.problems, problem.message))


def _read_from_ssh(device: Device, within: float, collector: _FactsCollector) -> None:
    from resin_toolkit.ssh import connect

    def on_version(line: str) -> None:
        collector.add(ssh=_software(line))

    try:
        # Probing does not establish trust: the key is pinned at the first login.
        with connect(device, within=within, on_version=on_version, pin=False) as shell:
            collector.add(host_key=shell.host_key.fingerprint)
            result = shell.run(_SCRIPT, within=within * 2)
    except HostKeyChanged as error:
        # Who reads the facts compares the key, and knows more of what it means.
        collector.add(host_key=error.facts["shown"])
    except ResinError as error:
        # A missing device or SSH server is a fact, not a problem.
        if collector.facts.ssh is not None or not isinstance(error, Unreachable):
            collector.add_problem(error)
    else:
        collector.add(**_os_facts(result.out.decode(errors="replace")))


def _software(version_line: str) -> str:
    """The software name in the version line of an SSH server."""
    return one_line(version_line.split("-", 2)[-1].partition(" ")[0])


def _read_from_engine(device: Device, within: float, collector: _FactsCollector, *, containers: bool) -> None:
    from resin_toolkit.engine import connect_unverified

    try:
        with connect_unverified(device, within=within) as engine:
            port = engine.url.rpartition(":")[2] if engine.access_method is AccessMethod.TCP else ""
            facts = engine.facts
            collector.add(
                engine_port=int(port) if port.isdecimal() else None,
                engine_version=facts.version,
                engine_id=facts.id,
            )
            match = _ENGINE_NAMES.fullmatch(facts.operating_system)
            collector.add_os(*((match["name"], match["version"]) if match else (facts.operating_system, "")))
            if containers:
                collector.add(containers=tuple(engine.containers()))
    except Unreachable as error:
        # A closed port is a fact, not a problem; something else that listens there is one.
        if error.facts.get("cause") in ("not-an-engine", "tls"):
            collector.add_problem(error)
    except ResinError as error:
        collector.add_problem(error)
    except (MemoryError, OSError):
        collector.add_problem(
            Unreachable(f"The program on the engine's port of {device.host} is not an engine.")
        )


def _os_facts(output: str) -> Mapping[str, object]:
    """The facts in the output of the script."""
    release, board, mode, *_ = [*output.split(f"{_MARK}\n"), "", ""]
    known = parse_os_release(release)
    facts: dict[str, object] = {
        "os_name": known.get("NAME", ""),
        "os_version": known.get("VERSION") or known.get("VERSION_ID", ""),
        "device_type": _slug(board) or known.get("SLUG") or known.get("MACHINE", ""),
    }
    shown: dict[str, object] = {name: one_line(str(value)) for name, value in facts.items() if value}
    variant = _variant(known, mode)
    return {**shown, "variant": variant} if variant else shown


def _slug(board: str) -> str:
    """The slug in device-type.json."""
    try:
        known = json.loads(board)
    except (ValueError, RecursionError):
        return ""
    slug = known.get("slug") if isinstance(known, dict) else None
    return slug if isinstance(slug, str) else ""


def _variant(release: Mapping[str, str], mode: str) -> Variant | None:
    """From `VARIANT_ID` of older images, or `developmentMode` of later ones, which have no variants."""
    named = (release.get("VARIANT_ID") or release.get("VARIANT", "")).lower()
    if named.startswith("dev"):
        return Variant.DEVELOPMENT
    if "true" in mode.partition(":")[2].lower():
        return Variant.DEVELOPMENT
    return Variant.PRODUCTION if named.startswith("prod") else None
