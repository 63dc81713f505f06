"""What a device says of itself, over SSH or its engine, whichever is open."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.facts import DeviceFacts, Variant
from resin_toolkit.device.record import Device
from resin_toolkit.errors import HostKeyChanged, ResinError, Unreachable
from resin_toolkit.os_release import parse_os_release

WITHIN = 2.5
"""Seconds for each connection to a device on the local network."""


Tell = Callable[[DeviceFacts], None]
"""Is told what has been learnt so far."""

_MARK = "--resin--"
# Of config.json only what is asked for: it holds secrets.
_SCRIPT = f"""
cat /etc/os-release; echo; echo {_MARK}
cat /mnt/boot/device-type.json; echo; echo {_MARK}
grep -o '"developmentMode" *: *[^,}}]*' /mnt/boot/config.json
true
"""
_ENGINE_NAMES = re.compile(r"(?P<name>.*\D)\s+v?(?P<version>\d\S*)(?:\s+\(.*\))?")


def probe(
    device: Device, tell: Tell | None = None, *, within: float = WITHIN, deadline: float | None = None
) -> DeviceFacts:
    """What `device` says of itself; nobody is asked for a password, and what cannot be learnt stays empty.

    SSH and engine are asked side by side, with so many seconds for each connection. At the deadline, by the
    monotonic clock, what is known by then is all. Raises nothing that tells of the device: what kept it from
    answering is among the `problems`.
    """
    gathered = _Gathered(tell)
    strands = [
        threading.Thread(
            target=strand, args=(device, within, gathered), name=f"ask {device.host}", daemon=True
        )
        for strand in (_ask_ssh, _ask_engine)
    ]
    for strand in strands:
        strand.start()
    for strand in strands:
        strand.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
    return gathered.facts


class _Gathered:
    """The facts of one device, put together by several threads."""

    def __init__(self, tell: Tell | None) -> None:
        self.facts = DeviceFacts()
        self._tell = tell
        self._lock = threading.Lock()

    def add(self, **known: Any) -> None:
        with self._lock:
            self.facts = replace(self.facts, **known)
            if self._tell:
                self._tell(self.facts)

    def add_os(self, name: str, version: str) -> None:
        """What the engine calls the operating system counts only where the system itself said nothing."""
        if name and not self.facts.os_name:
            self.add(os_name=name, os_version=version)

    def add_problem(self, problem: ResinError) -> None:
        if problem.message not in self.facts.problems:
            self.add(problems=(*self.facts.problems, problem.message))


def _ask_ssh(device: Device, within: float, gathered: _Gathered) -> None:
    from resin_toolkit.ssh import connect

    def on_version(line: str) -> None:
        gathered.add(ssh=_software(line))

    try:
        # Looking at a device is not yet trusting it: a key is pinned when somebody logs in.
        with connect(device, within=within, on_version=on_version, pin=False) as shell:
            gathered.add(host_key=shell.host_key.fingerprint)
            said = shell.run(_SCRIPT, within=within * 2)
    except HostKeyChanged as error:
        gathered.add(host_key=error.facts["shown"])
        gathered.add_problem(error)
    except ResinError as error:
        # Nobody there, or no SSH server, is no problem: that it has none is what the facts say.
        if gathered.facts.ssh is not None or not isinstance(error, Unreachable):
            gathered.add_problem(error)
    else:
        gathered.add(**_os_facts(said.out.decode(errors="replace")))


def _software(greeting: str) -> str:
    """What an SSH server calls itself."""
    from resin_toolkit.engine.models import one_line

    return one_line(greeting.split("-", 2)[-1].partition(" ")[0])


def _ask_engine(device: Device, within: float, gathered: _Gathered) -> None:
    from resin_toolkit.engine import connect

    try:
        with connect(device, within=within) as engine:
            port = engine.place.rpartition(":")[2] if engine.access_method is AccessMethod.TCP else ""
            facts = engine.facts
            gathered.add(
                engine_port=int(port) if port.isdecimal() else None,
                engine_version=facts.version,
                engine_id=facts.id,
            )
            match = _ENGINE_NAMES.fullmatch(facts.operating_system)
            gathered.add_os(*((match["name"], match["version"]) if match else (facts.operating_system, "")))
            gathered.add(containers=tuple(engine.containers()))
    except Unreachable as error:
        # A closed port is a fact, no problem; something that is no engine is one.
        if error.facts.get("cause") in ("not-an-engine", "tls"):
            gathered.add_problem(error)
    except ResinError as error:
        gathered.add_problem(error)
    except (MemoryError, OSError):
        gathered.add_problem(Unreachable(f"What listens at the engine's port of {device.host} is no engine."))


def _os_facts(said: str) -> Mapping[str, object]:
    """The facts in what the script prints."""
    from resin_toolkit.engine.models import one_line

    release, board, mode, *_ = [*said.split(f"{_MARK}\n"), "", ""]
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
    except ValueError:
        return ""
    slug = known.get("slug") if isinstance(known, dict) else None
    return slug if isinstance(slug, str) else ""


def _variant(release: Mapping[str, str], mode: str) -> Variant | None:
    """By `VARIANT_ID` of older images, by `developmentMode` of later ones, which are of one kind."""
    named = (release.get("VARIANT_ID") or release.get("VARIANT", "")).lower()
    if named.startswith("dev"):
        return Variant.DEVELOPMENT
    if "true" in mode.partition(":")[2].lower():
        return Variant.DEVELOPMENT
    return Variant.PRODUCTION if named.startswith("prod") else None
