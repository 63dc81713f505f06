"""Lint `redsocks.conf` and `no_proxy`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from image_tools.lint.findings import Finding, Severity
from image_tools.profiles.values import is_ip
from image_tools.proxy import LOCAL_PORT, ProxyType, read_no_proxy
from image_tools.redsocks_file import read_sections
from resin_toolkit.errors import ConfigInvalid

_CORRECT_HINT = "Correct the file, or write a new file with --proxy."
_LINE = re.compile(r"line (\d+)")


def redsocks_findings(data: bytes, file: str) -> Iterator[Finding]:
    """Check that redsocks can parse the file, and that it has the required sections and keys."""
    try:
        sections = dict(read_sections(data, file))
    except ConfigInvalid as error:
        line = error.facts.get("line")
        yield Finding(
            "proxy-syntax",
            Severity.ERROR,
            file,
            line if isinstance(line, int) else None,
            error.message,
            error.hint,
        )
        return
    for section in ("base", "redsocks"):
        if section not in sections:
            message = f"{file} has no section {section} {{ … }}."
            yield Finding("proxy-block", Severity.ERROR, file, None, message, _CORRECT_HINT)
    settings = sections.get("redsocks", {})
    for key, reason in _problems(settings) if "redsocks" in sections else ():
        line = _line_of(data, key)
        yield Finding("proxy-key", Severity.ERROR, file, line, f"{file}: {reason}.", _CORRECT_HINT)
    local_port = settings.get("local_port", str(LOCAL_PORT))
    if local_port != str(LOCAL_PORT):
        message = f"{file}: local_port is not {LOCAL_PORT}, to which the device's firewall redirects."
        line = _line_of(data, "local_port")
        yield Finding(
            "proxy-key", Severity.WARNING, file, line, message, f"Write local_port = {LOCAL_PORT};."
        )


def no_proxy_findings(data: bytes, file: str) -> Iterator[Finding]:
    """Check that the device can use each line."""
    for notice in read_no_proxy(data, file)[1]:
        found = _LINE.search(notice.message)
        line = int(found.group(1)) if found else None
        remedy = "Write one IPv4 address or network per line, or use --no-proxy."
        yield Finding("no-proxy", Severity.ERROR, file, line, notice.message, remedy)


def _problems(settings: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield invalid keys of the section `redsocks`, each with the reason."""
    for key in ("type", "ip", "port"):
        if not settings.get(key):
            yield key, f"the section redsocks has no {key}"
    types = [proxy_type.value for proxy_type in ProxyType]
    if settings.get("type") and settings["type"] not in types:
        yield "type", f"type must be one of {', '.join(types)}"
    host = settings.get("ip", "")
    if re.fullmatch(r"[0-9.]+", host) and not is_ip(host, 4):
        yield "ip", "ip is not an IPv4 address"
    port = settings.get("port", "")
    if port and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        yield "port", "port is not a number from 1 to 65535"


def _line_of(data: bytes, key: str) -> int | None:
    """Return the first line that begins with `key`."""
    found = re.search(rb"^[ \t]*" + key.encode() + rb"\b", data, re.MULTILINE)
    return None if found is None else data.count(b"\n", 0, found.start()) + 1
