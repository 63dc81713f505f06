"""The settings of a stand-in device, and the files that its first process reads."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device.desk import run

SSH_PORT = 22222
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
)
_FORBIDDEN = "-sys_time,-sys_boot,-sys_module"
BOUNDED = ("setpriv", f"--bounding-set={_FORBIDDEN}", f"--inh-caps={_FORBIDDEN}")
"""Before each command on a device: the machine that all this runs on keeps its clock, kernel and power."""
_SAMPLE = Path(__file__).parent.parent / "sample_image" / "boot"

_SSH = """\
Port {port}
AddressFamily any
UsePAM no
PermitRootLogin yes
PermitEmptyPasswords {open}
PasswordAuthentication {open}
KbdInteractiveAuthentication no
AuthorizedKeysFile /stand-in/authorized_keys
StrictModes no
UseDNS no
PrintMotd no
PrintLastLog no
MaxStartups 200
MaxSessions 100
PidFile none
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
"""
# What dropbear offered in 2016 and could do then; it forwards no unix sockets.
_OLD = """\
HostKeyAlgorithms ssh-rsa
PubkeyAcceptedAlgorithms ssh-rsa,ssh-ed25519
KexAlgorithms diffie-hellman-group14-sha1
Ciphers aes128-ctr
MACs hmac-sha1
AllowStreamLocalForwarding no
"""
# The kernel's messages and its auditing are this machine's, not the device's; 8 MB is what resinOS gives it.
_JOURNAL = """\
[Journal]
Storage=volatile
RuntimeMaxUse=8M
RateLimitIntervalSec=0
ReadKMsg=no
Audit=
"""
_AVAHI = """\
[server]
host-name={hostname}
use-ipv4=yes
use-ipv6=yes
enable-dbus=no
allow-interfaces=eth0

[publish]
publish-hinfo=no
publish-workstation=no
"""
_SERVICE = """\
<?xml version="1.0" standalone="no"?>
<!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group>
  <name replace-wildcards="yes">%h</name>
  <service>
    <type>_ssh._tcp</type>
    <subtype>_resin-device._sub._ssh._tcp</subtype>
    <port>{port}</port>
  </service>
</service-group>
"""


@dataclass(frozen=True)
class DeviceSettings:
    """How a stand-in device is set up; `ssh_options` are further lines of its sshd_config."""

    hostname: str
    engine_port: int | None
    production: bool
    old_algorithms: bool
    dropbear: bool
    announces: bool
    engine: bool
    ssh_options: Sequence[str]


def write_device(folder: Path, settings: DeviceSettings) -> None:
    """Fill the empty folder of a device."""
    for name in ("avahi/services", "boot", "state", "data", "log", "programs", "ssh", "system"):
        (folder / name).mkdir(parents=True)
    for partition in ("state", "data"):
        (folder / partition / "remove_me_to_reset").write_text("Remove this file to reset the partition.\n")
    (folder / "journald.conf").write_text(_JOURNAL)
    (folder / "machine-id").write_text(f"{secrets.token_hex(16)}\n")
    _write_settings(folder, settings)
    _write_boot(folder, settings)
    _write_mdns(folder, settings)
    write_ssh(folder, settings)
    write_host_keys(folder, settings)


def write_ssh(folder: Path, settings: DeviceSettings) -> None:
    names = _key_types(settings)
    keys = [f"HostKey /stand-in/ssh/ssh_host_{name}_key" for name in names]
    # The first line that names a setting is the one that counts.
    lines = [
        *settings.ssh_options,
        *keys,
        _SSH.format(port=SSH_PORT, open="no" if settings.production else "yes"),
    ]
    (folder / "sshd_config").write_text("\n".join(lines) + (_OLD if settings.old_algorithms else ""))
    keys_file = folder / "authorized_keys"
    keys_file.touch(mode=0o600)


def write_host_keys(folder: Path, settings: DeviceSettings) -> None:
    """Fresh SSH host keys, in the place of any that are there."""
    for name in _key_types(settings):
        path = folder / "ssh" / f"ssh_host_{name}_key"
        path.unlink(missing_ok=True)
        if settings.dropbear:
            run(["dropbearkey", "-t", name, "-f", path])
            continue
        run(["ssh-keygen", "-q", "-t", name, "-N", "", "-C", settings.hostname, "-f", path], stdin="y\n")


def _key_types(settings: DeviceSettings) -> tuple[str, ...]:
    return ("rsa",) if settings.old_algorithms or settings.dropbear else ("ed25519", "ecdsa", "rsa")


def _write_settings(folder: Path, settings: DeviceSettings) -> None:
    wanted = {"journal": True, "ssh": True, "engine": settings.engine, "mdns": settings.announces}
    values = {
        "hostname": settings.hostname,
        # Nobody's, but not locked: sshd takes a locked account's keys no more than its password.
        "password": "*" if settings.production else "",
        "cgroup": folder.name,
        "engine_port": "" if settings.engine_port is None else str(settings.engine_port),
        "dropbear": "yes" if settings.dropbear else "",
        "services": " ".join(name for name, is_wanted in wanted.items() if is_wanted),
    }
    lines = (f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    (folder / "settings").write_text("".join(lines))


def _write_boot(folder: Path, settings: DeviceSettings) -> None:
    system = (_SAMPLE / "os-release").read_text()
    if settings.production:
        system = re.sub(r'VARIANT="\w+"', 'VARIANT="Production"', system)
        system = re.sub(r'VARIANT_ID="\w+"', 'VARIANT_ID="prod"', system)
    (folder / "os-release").write_text(system)
    for name in ("device-type.json", "image-version-info", "config.txt", "cmdline.txt"):
        (folder / "boot" / name).write_bytes((_SAMPLE / name).read_bytes())
    (folder / "boot" / "os-release").write_text(system)
    config = json.loads((_SAMPLE / "config.json").read_text())
    (folder / "boot" / "config.json").write_text(
        json.dumps({**config, "hostname": settings.hostname}, indent=2)
    )


def _write_mdns(folder: Path, settings: DeviceSettings) -> None:
    (folder / "avahi" / "avahi-daemon.conf").write_text(_AVAHI.format(hostname=settings.hostname))
    (folder / "avahi" / "services" / "resin-device.service").write_text(_SERVICE.format(port=SSH_PORT))
