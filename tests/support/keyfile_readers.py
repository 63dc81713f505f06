"""Readers of keyfiles that are not ours: GLib's GKeyFile, NetworkManager's library, and nmcli.

GLib and libnm are asked through the system's Python, in one process that answers a line for a line.
"""

from __future__ import annotations

import base64
import json
import subprocess
from types import TracebackType
from typing import Any, Self

SYSTEM_PYTHON = "/usr/bin/python3"

_SERVER = r"""
import base64, json, sys
import gi
gi.require_version("NM", "1.0")
from gi.repository import GLib, NM

def groups(keyfile):
    found = {}
    for group in keyfile.get_groups()[0]:
        found[group] = {}
        for key in keyfile.get_keys(group)[0]:
            try:
                found[group][key] = keyfile.get_string(group, key)
            except (GLib.Error, UnicodeDecodeError):
                found[group][key] = None
    return found

def read_of(keyfile):
    return NM.keyfile_read(keyfile, "/tmp", NM.KeyfileHandlerFlags.NONE, None, None)

def family(setting):
    addresses = [setting.get_address(i) for i in range(setting.get_num_addresses())]
    return {
        "method": setting.get_method(), "gateway": setting.get_gateway(),
        "addresses": [f"{a.get_address()}/{a.get_prefix()}" for a in addresses],
        "dns": [setting.get_dns(i) for i in range(setting.get_num_dns())],
        "never-default": setting.get_never_default(), "route-metric": setting.get_route_metric(),
    }

def settings(keyfile):
    read = read_of(keyfile)
    valid = read.normalize()[0] and read.verify()
    found = read.to_dbus(NM.ConnectionSerializationFlags.ALL).unpack()
    found["ipv4"] = family(read.get_setting_ip4_config())
    found["ipv6"] = family(read.get_setting_ip6_config())
    return {"valid": valid, **found}

def rewritten(keyfile):
    read = read_of(keyfile)
    read.normalize()
    return groups(NM.keyfile_write(read, NM.KeyfileHandlerFlags.NONE, None, None))

def connection(keyfile):
    read = read_of(keyfile)
    wifi, security = read.get_setting_wireless(), read.get_setting_wireless_security()
    ssid = wifi.get_ssid() if wifi else None
    valid = read.normalize()[0] and read.verify()
    return {
        "id": read.get_id(), "uuid": read.get_uuid(), "type": read.get_connection_type(), "valid": valid,
        "ssid": base64.b64encode(bytes(ssid.get_data())).decode() if ssid else None,
        "hidden": wifi.get_hidden() if wifi else None, "mode": wifi.get_mode() if wifi else None,
        "psk": security.get_psk() if security else None,
        "key-mgmt": security.get_key_mgmt() if security else None,
        "ipv4": read.get_setting_ip4_config().get_method(),
        "ipv6": read.get_setting_ip6_config().get_method(),
    }

for line in sys.stdin:
    question = json.loads(line)
    keyfile = GLib.KeyFile()
    try:
        data = GLib.Bytes.new(base64.b64decode(question["data"]))
        keyfile.load_from_bytes(data, GLib.KeyFileFlags.NONE)
        answer = globals()[question["ask"]](keyfile)
    except GLib.Error as error:
        answer = {"error": error.message}
    except UnicodeDecodeError:
        answer = {"error": "not UTF-8"}
    print(json.dumps(answer, default=list), flush=True)
"""


class SystemReaders:
    """GLib and libnm, for as long as the `with` block lasts."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, "-I", "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def glib(self, data: bytes) -> dict[str, Any]:
        """Groups, keys and values as GKeyFile has them; or `error`."""
        return self._ask("groups", data)

    def network_manager(self, data: bytes) -> dict[str, Any]:
        """The connection that NetworkManager reads; `ssid` is bytes; or `error`."""
        answer = self._ask("connection", data)
        if answer.get("ssid") is not None:
            answer["ssid"] = base64.b64decode(answer["ssid"])
        return answer

    def settings(self, data: bytes) -> dict[str, Any]:
        """Every setting and property as NetworkManager has it on D-Bus, and whether it is `valid`.

        `ipv4` and `ipv6` have addresses, gateway and servers as texts. Bytes are lists of numbers.
        """
        return self._ask("settings", data)

    def rewritten(self, data: bytes) -> dict[str, Any]:
        """Groups, keys and values of the keyfile that NetworkManager writes for what it read."""
        return self._ask("rewritten", data)

    def _ask(self, what: str, data: bytes) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"ask": what, "data": base64.b64encode(data).decode()}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()


def nmcli(data: bytes) -> bytes:
    """The keyfile as `nmcli --offline` writes it again, with one property set that it had already."""
    command = ["nmcli", "--offline", "connection", "modify", "connection.autoconnect", "yes"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout
