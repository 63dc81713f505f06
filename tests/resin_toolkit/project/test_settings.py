"""What `resin.toml` may say, and what is said of what it may not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resin_toolkit.errors import BadValue, ConfigInvalid
from resin_toolkit.project import settings_values as values
from resin_toolkit.project.application import DeviceNode, Mount, Port
from resin_toolkit.project.settings import (
    BuildSettings,
    LiveSettings,
    RunSettings,
    Settings,
    read_settings,
)
from resin_toolkit.project.settings_values import InvalidSetting

FULL = """
name = "radio"
device = "kitchen"
device_type = "raspberrypi"
source = "app"
dockerfile = "Dockerfile.release"

[build]
args = { VERSION = "1.2", JOBS = 4, FAST = true }
target = "final"

[run]
privileged = false
network = "bridge"
restart = "on-failure:3"
volumes = ["/mnt/data/music:/music:ro", "cache:/var/cache"]
ports = ["8080:80", "53:5353/udp", "127.0.0.1:81:81"]
devices = ["/dev/ttyS0", "/dev/ttyS1:/dev/modem", "/dev/i2c-1:/dev/i2c-1:rw"]
command = "play --loop 'my song'"
grace = "90s"
user = "radio"
stop_signal = "SIGINT"
stop_grace = 2.5
data = false
dbus = false
kernel_modules = false
firmware = false
environment = false

[run.env]
VOLUME = 11

[live]
enabled = true
debounce = "200ms"
ignore = ["*.tmp"]
"""


def written(folder: Path, text: str) -> Path:
    (folder / "app").mkdir(exist_ok=True)
    (folder / "resin.toml").write_text(text, encoding="utf-8")
    return folder


def test_without_a_file_there_are_the_defaults(tmp_path: Path) -> None:
    settings = read_settings(tmp_path)
    assert settings == Settings(tmp_path)
    assert settings.context == tmp_path
    assert settings.file is None
    assert settings.run.privileged
    assert settings.run.restart == "always"


def test_an_empty_file_is_the_defaults_too(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, "")) == Settings(tmp_path, file=tmp_path / "resin.toml")


def test_every_key(tmp_path: Path) -> None:
    assert read_settings(written(tmp_path, FULL)) == Settings(
        tmp_path,
        name="radio",
        device="kitchen",
        device_type="raspberry-pi",
        source=tmp_path / "app",
        dockerfile="Dockerfile.release",
        build=BuildSettings({"VERSION": "1.2", "JOBS": "4", "FAST": "true"}, "final"),
        run=RunSettings(
            privileged=False,
            network="bridge",
            restart="on-failure:3",
            volumes=(
                Mount("bind", "/music", "/mnt/data/music", read_only=True),
                Mount("volume", "/var/cache", "cache"),
            ),
            ports=(Port(80, 8080), Port(5353, 53, "udp"), Port(81, 81, "tcp", "127.0.0.1")),
            devices=(
                DeviceNode("/dev/ttyS0", "/dev/ttyS0", "rwm"),
                DeviceNode("/dev/ttyS1", "/dev/modem", "rwm"),
                DeviceNode("/dev/i2c-1", "/dev/i2c-1", "rw"),
            ),
            env={"VOLUME": "11"},
            command=("play", "--loop", "my song"),
            grace=90.0,
            user="radio",
            stop_signal="SIGINT",
            stop_grace=2.5,
            data=False,
            dbus=False,
            kernel_modules=False,
            firmware=False,
            environment=False,
        ),
        live=LiveSettings(True, 0.2, ("*.tmp",)),
        file=tmp_path / "resin.toml",
    )


def test_the_name_is_the_files_else_made_of_the_folders(tmp_path: Path) -> None:
    folder = tmp_path / "My Radio"
    folder.mkdir()
    assert read_settings(folder).app_name == "my-radio"
    assert read_settings(written(folder, 'name = "other"')).app_name == "other"


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ('nam = "x"', 1, "nam is not a known key", 'Did you mean "name"?'),
        ('\n\ndevice-type = "x"', 3, "device-type is not a known key", 'Did you mean "device_type"?'),
        ("[run]\nSTOP-GRACE = 1", 2, "[run] STOP-GRACE is not a known key", 'Did you mean "stop_grace"?'),
        ("privileged = true", 1, "privileged is not a known key", "It belongs in [run]."),
        ('[run]\nname = "x"', 2, "[run] name is not a known key", "before the first table."),
        ("[runs]\n", 1, "runs is not a known key", 'Did you mean "run"?'),
        ("[run]\n\nprivilegd = true", 3, "[run] privilegd is not a known key", 'Did you mean "privileged"?'),
        ("run.privilegd = true", 1, "[run] privilegd is not a known key", 'Did you mean "privileged"?'),
        ("run = { privilegd = true }", 1, "[run] privilegd is not a known key", 'Did you mean "privileged"?'),
        ("[live]\nzzz = 1", 2, "[live] zzz is not a known key", "Known keys: enabled, debounce, ignore."),
        ("name = 3", 1, "name is a number, not a string", 'Put it in quotes: "…".'),
        ('name = "My App"', 1, "name is 'My App', which is not a valid", "lower-case letter"),
        ('device_type = "rasberrypi3"', 1, "device_type is 'rasberrypi3', which", "'raspberrypi3'?"),
        ("run = 3", 1, "run is not a table", "Begin it with a line [run]."),
        ('[run]\nprivileged = "yes"', 2, "[run] privileged is a string, not true or false", "without quotes"),
        ('[run]\nports = "80:80"', 2, "[run] ports is a string, not a list", "in brackets"),
        ('[run]\nports = ["80"]', 2, "[run] ports has '80', which is not a port", "8080:80"),
        ('[run]\nports = ["80:0"]', 2, "[run] ports has '80:0'", "8080:80"),
        ("[run]\nports = [80]", 2, "[run] ports has '80'", "8080:80"),
        ('[run]\nports = ["80:80/sctp"]', 2, "[run] ports has '80:80/sctp'", "53:53/udp"),
        ('[run]\nnetwork = "host"\nports = ["80:80"]', 3, "[run] ports cannot be published", "host network"),
        ('[run]\nvolumes = ["/data"]', 2, "[run] volumes has '/data', which is not a volume", "SOURCE:TARGET"),  # noqa: E501
        ('[run]\nvolumes = ["./a:/a"]', 2, "[run] volumes has the volume './a', which is on this", "COPY"),
        ('[run]\nvolumes = ["a:/a:rx"]', 2, "[run] volumes has 'a:/a:rx'", "SOURCE:TARGET"),
        ('[run]\ndevices = ["ttyS0"]', 2, "[run] devices has 'ttyS0', which is not a device file", "/dev/NAME"),  # noqa: E501
        ('[run]\nrestart = "sometimes"', 2, "[run] restart is 'sometimes'", "on-failure:N"),
        ('[run]\nnetwork = "mesh"', 2, "[run] network is 'mesh'", "compose file"),
        ('[run]\ngrace = "soon"', 2, "[run] grace is not a valid duration", '"10s"'),
        ("[run]\ngrace = -1", 2, "[run] grace is not a valid duration", '"10s"'),
        ("[run]\ngrace = true", 2, "[run] grace is not a valid duration", '"10s"'),
        ("[run]\ncommand = \"a 'b\"", 2, "[run] command has an unclosed quote", "as a list"),
        ('[run]\nstop_signal = "stop"', 2, "[run] stop_signal is 'stop', which is not a signal", "SIGINT"),
        ("[run.env]\nA = [1]", 1, "[run] env has A, which is neither", 'NAME = "value"'),
        ('[run.env]\n"A B" = "1"', 1, "[run] env has 'A B', which is not a valid", "letters, digits and _"),
        ("[build]\nargs = []", 2, "[build] args is a list, not a table", "{ NAME"),
        ('source = "nowhere"', 1, "source is 'nowhere', which is not a folder", "relative to"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, message: str, hint: str
) -> None:
    with pytest.raises(BadValue) as failure:
        read_settings(written(tmp_path, text))
    assert failure.value.message.startswith(f"{tmp_path}/resin.toml, line {line}: {message}")
    assert failure.value.message.endswith(".")
    assert hint in failure.value.hint
    assert failure.value.facts["line"] == line


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'name = "a\n', "resin.toml, line 1: invalid TOML."),
        (b"\n= 1\n", "resin.toml, line 2: invalid TOML."),
        (b"name = '\xff'", "resin.toml: invalid UTF-8."),
        (b"a = " + b"[" * 50_000, "resin.toml: invalid TOML."),
    ],
)
def test_what_is_not_toml_is_told(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "resin.toml").write_bytes(data)
    with pytest.raises(ConfigInvalid) as failure:
        read_settings(tmp_path)
    assert failure.value.message == f"{tmp_path}/{message}"


@given(
    outside=st.integers(-1, 70_000),
    inside=st.integers(-1, 70_000),
    protocol=st.sampled_from(["", "/tcp", "/udp"]),
)
def test_ports_are_those_that_exist(outside: int, inside: int, protocol: str) -> None:
    word = f"{outside}:{inside}{protocol}"
    if 0 < outside < 65536 and 0 < inside < 65536:
        assert values.port(word) == Port(inside, outside, protocol.strip("/") or "tcp")
    else:
        with pytest.raises(InvalidSetting):
            values.port(word)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()),
                 st.dictionaries(st.text(), st.text())))  # fmt: skip
def test_no_value_is_a_surprise(value: object) -> None:
    """Whatever a key is given, it is read or told to be unfit."""
    for reader in (
        values.text, values.flag, values.seconds, values.texts, values.pairs, values.command, values.restart,
        values.network, values.port, values.volume, values.device, values.stop_signal,
        values.each(values.port), values.each(values.volume), values.each(values.device),
    ):  # fmt: skip
        with suppress(InvalidSetting):
            reader(value)
