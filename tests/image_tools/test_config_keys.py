from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from image_tools import config
from image_tools.config import Config, Group, values
from resin_toolkit.errors import BadValue, ConfigInvalid

SECRET = "Marked-S3cret"

# The keys that resinOS and balenaOS read or write, by what their documents say.
DOCUMENTED = [
    "hostname",
    "persistentLogging",
    "country",
    "ntpServers",
    "dnsServers",
    "balenaRootCA",
    "developmentMode",
    "os.network.connectivity.uri",
    "os.network.connectivity.interval",
    "os.network.connectivity.response",
    "os.network.wifi.randomMacAddressScan",
    "os.udevRules",
    "os.sshKeys",
    "os.fan.profile",
    "os.power.mode",
    "os.kernel.extraFirmwareVol",
    "installer.secureboot",
    "installer.migrate.force",
    "installer.target_devices",
    "uuid",
    "deviceType",
    "deviceId",
    "deviceApiKey",
    "deviceApiKeys",
    "apiKey",
    "registered_at",
    "applicationId",
    "applicationName",
    "userId",
    "username",
    "apiEndpoint",
    "deltaEndpoint",
    "vpnEndpoint",
    "vpnPort",
    "registryEndpoint",
    "logsEndpoint",
    "listenPort",
    "appUpdatePollInterval",
    "mixpanelToken",
    "pubnubPublishKey",
    "pubnubSubscribeKey",
    "wifiSsid",
    "wifiKey",
    "connectivity",
    "files",
    "network",
]


def blob(*fields: bytes) -> str:
    return base64.b64encode(b"".join(len(field).to_bytes(4, "big") + field for field in fields)).decode()


def ed25519(seed: int = 0, comment: str = "") -> str:
    return f"ssh-ed25519 {blob(b'ssh-ed25519', bytes([seed % 256]) * 32)} {comment}".rstrip()


def everything(error: BadValue | ConfigInvalid) -> str:
    return f"{error.message} {error.hint} {error.facts} {error.__cause__}"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Private keys of ssh-keygen by kind, each with its .pub beside it."""
    folder = tmp_path_factory.mktemp("keys")
    for kind in ("ed25519", "rsa", "ecdsa"):
        size = ["-b", "1024"] if kind == "rsa" else []  # the smallest that it makes, for speed
        command = ["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", f"{kind} of me"]
        subprocess.run([*command, "-f", folder / kind], check=True)
    return {kind: folder / kind for kind in ("ed25519", "rsa", "ecdsa")}


# the table


def test_every_documented_key_is_known() -> None:
    assert sorted(config.key_names()) == sorted(DOCUMENTED)


def test_the_listing_has_every_key_by_group() -> None:
    rows = config.keys_table()

    assert sorted(row.name for row in rows) == sorted(DOCUMENTED)
    assert [group for group in Group if any(row.group is group for row in rows)] == list(Group)
    assert [row.group for row in rows] == sorted((row.group for row in rows), key=list(Group).index)
    assert {row.name for row in rows if row.group is Group.FLASHER} == {
        "installer.secureboot",
        "installer.migrate.force",
        "installer.target_devices",
    }
    fan = next(row for row in rows if row.name == "os.fan.profile")
    assert fan.data() == {
        "group": "user",
        "name": "os.fan.profile",
        "type": "string",
        "since": None,
        "meaning": "Fan profile (Jetson Orin).",
        "choices": ["quiet", "cool"],
    }


@pytest.mark.parametrize("group", list(Group))
def test_the_markdown_table_is_one(group: Group) -> None:
    lines = config.markdown_table(group).splitlines()
    cells = [line.strip("|").split(" | ") for line in lines]

    assert set(map(len, cells)) == {len(cells[0])}
    assert [row.strip(" `") for row, *_ in cells[2:]] == [
        row.name for row in config.keys_table() if row.group is group
    ]


# public keys


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_files_of_ssh_keygen(generated: dict[str, Path], kind: str) -> None:
    public = generated[kind].with_suffix(".pub").read_bytes()

    assert config.public_keys(public, "key.pub") == [public.decode().strip()]
    assert config.public_keys(b"\xef\xbb\xbf" + public.replace(b"\n", b"\r\n"), "key.pub") == [
        public.decode().strip()
    ]
    assert config.public_keys(public.decode().encode("utf-16"), "key.pub") == [public.decode().strip()]


def test_a_file_of_several(generated: dict[str, Path]) -> None:
    keys = [path.with_suffix(".pub").read_text().strip() for path in generated.values()]
    hashed = 'command="echo \\"ssh-rsa AAAA\\" # x",no-pty'
    text = f"# mine\n\n{keys[0]}\n  {hashed}\t{keys[1]}\n{keys[2]}\n{keys[0]} again\n"

    assert config.public_keys(text.encode(), "authorized_keys") == [keys[0], f"{hashed}\t{keys[1]}", keys[2]]


@pytest.mark.parametrize("form", ["OPENSSH", "PEM", "PKCS8"])
def test_a_private_key_is_refused_without_showing_it(tmp_path: Path, form: str) -> None:
    arguments = [] if form == "OPENSSH" else ["-m", form]
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ecdsa", *arguments, "-N", "", "-f", tmp_path / "key"], check=True
    )
    data = (tmp_path / "key").read_bytes()
    with pytest.raises(BadValue, match=r"id_x is a private SSH key") as caught:
        config.public_keys(data, "id_x")

    assert "id_x.pub" in caught.value.hint
    body = data.decode().splitlines()[1:-1]
    assert not [line for line in body if line in everything(caught.value)]
    with pytest.raises(BadValue, match="private"):
        config.set_value({}, "os.sshKeys", data.decode())


@pytest.mark.parametrize(
    ("data", "reason", "hint"),
    [
        (b"", "contains no SSH key", "ssh-keygen"),
        (b"# only this\n\n", "contains no SSH key", "ssh-keygen"),
        (b"\xff\x00", "not an OpenSSH public key", "ssh-keygen"),
        (b"\xff\xfe\x00", "not an OpenSSH public key", "ssh-keygen"),
        (b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n", "not in OpenSSH format", "ssh-keygen -i"),
        (f"PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: {SECRET}".encode(), "private", ".pub"),
        (f"{ed25519()}\n{SECRET}\n".encode(), "line 2", "ssh-keygen"),
        (f"{ed25519()[:-6]}\n".encode(), "line 1: .* incomplete", "whole line"),
        (f"ssh-ed448 {SECRET}".encode(), "line 1: .* not an OpenSSH", "ssh-keygen"),
        (f"ssh-rsa {blob(b'ssh-ed25519', bytes(32))}".encode(), "damaged", "whole line"),
        (f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(31))}".encode(), "damaged", "whole line"),
        (f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(32), b'x')}".encode(), "damaged", "whole line"),
        (f"ssh-ed25519 {blob(b'ssh-ed25519')}".encode(), "damaged", "whole line"),
        (f"ssh-rsa {blob(b'ssh-rsa', b'x', b'x' * 64)}".encode(), "damaged", "whole line"),
        (f"ssh-rsa {blob(b'ssh-rsa', b'', bytes([255]) * 256)}".encode(), "damaged", "whole line"),
        (ed25519().replace(" ", "\u00a0").encode(), "not an OpenSSH", "ssh-keygen"),
        (f'command="{ed25519()}'.encode(), "not an OpenSSH", "ssh-keygen"),
    ],
)
def test_what_is_no_key_is_refused(data: bytes, reason: str, hint: str) -> None:
    with pytest.raises(BadValue, match=reason) as caught:
        config.public_keys(data, "file")

    assert hint in caught.value.hint
    assert SECRET not in everything(caught.value)


@settings(max_examples=examples(100), deadline=None)
@given(
    seeds=st.lists(st.integers(0, 255), min_size=1, max_size=4),
    comment=st.text(st.characters(categories=("L", "N", "P", "S", "Zl", "Zp")), max_size=12).map(str.strip),
    end=st.sampled_from(["\n", "\r\n", "\n\n# x\n"]),
)
def test_keys_are_read_as_written(seeds: list[int], comment: str, end: str) -> None:
    keys = [ed25519(seed, comment) for seed in seeds]

    assert config.public_keys(end.join(keys).encode(), "x") == list(dict.fromkeys(keys))


@settings(max_examples=examples(100), deadline=None)
@given(data=st.binary(max_size=60) | st.text('sh-ed25519 "\\#\n\t=,', max_size=30).map(str.encode))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(BadValue):
        config.public_keys(data, "x")


def test_ssh_keygen_agrees_on_damage(tmp_path: Path, generated: dict[str, Path]) -> None:
    """Every key that we take, ssh-keygen takes; of those cut short it takes none either."""
    for path in generated.values():
        kind, body, _ = path.with_suffix(".pub").read_text().split(" ", 2)
        for cut in (0, 4, 20, len(body) // 2):
            text = f"{kind} {body[: len(body) - cut]}"
            (tmp_path / "k").write_text(text + "\n")
            judged = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "k"], capture_output=True)
            try:
                config.public_keys(text.encode(), "k")
            except BadValue:
                assert judged.returncode != 0
            else:
                assert judged.returncode == 0


def test_keys_are_added_without_doubling() -> None:
    before: Config = {"a": 1, "os": {"fan": {"profile": "cool"}, "sshKeys": [ed25519(1, "me"), "broken"]}}
    after, notices = config.add_ssh_keys(
        before, [ed25519(2), ed25519(1, "me elsewhere"), ed25519(2, "twice"), f"no-pty {ed25519(1)}"]
    )

    assert after == {
        "a": 1,
        "os": {
            "fan": {"profile": "cool"},
            "sshKeys": [ed25519(1, "me"), "broken", ed25519(2), f"no-pty {ed25519(1)}"],
        },
    }
    assert list(after) == ["a", "os"]
    assert [notice.code for notice in notices] == ["config-ssh-key-there"] * 2
    assert "me elsewhere" in notices[0].message
    assert before["os"] == {"fan": {"profile": "cool"}, "sshKeys": [ed25519(1, "me"), "broken"]}
    assert config.add_ssh_keys(after, [ed25519(1)])[0] is after


@pytest.mark.parametrize("before", [{}, {"os": None}, {"os": {}}, {"os": {"sshKeys": None}}])
def test_the_first_key_makes_the_list(before: Config) -> None:
    assert config.add_ssh_keys(before, [ed25519()])[0] == {"os": {"sshKeys": [ed25519()]}}


@pytest.mark.parametrize("before", [{"os": 5}, {"os": {"sshKeys": "x"}}, {"os": {"sshKeys": [1]}}])
def test_no_key_is_added_to_what_is_no_list(before: Config) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        config.add_ssh_keys(before, [ed25519()])

    assert "--unset" in caught.value.hint
    with pytest.raises(BadValue):
        config.add_ssh_keys({}, ["x"])


# single values


def certificate(tmp_path: Path) -> bytes:
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=x",
            "-keyout",
            str(tmp_path / "key"),
            "-out",
            str(tmp_path / "ca"),
        ],
        check=True,
        capture_output=True,
    )
    return (tmp_path / "ca").read_bytes()


def test_certificates_of_openssl(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    values.certificate(base64.b64encode(pem).decode())
    values.certificate(base64.b64encode(b"comment\n" + pem.replace(b"\n", b"\r\n") * 2).decode())
    values.certificate(base64.encodebytes(pem).decode())

    lines = pem.splitlines(keepends=True)
    damaged = b"".join([*lines[:2], *lines[3:]])
    with pytest.raises(BadValue, match="damaged"):
        values.certificate(base64.b64encode(pem + damaged).decode())
    key = (tmp_path / "key").read_bytes()
    for text in (base64.b64encode(pem + key).decode(), key.decode()):
        with pytest.raises(BadValue, match="private key") as caught:
            values.certificate(text)
        assert key.decode().splitlines()[1] not in everything(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("country", "GB"),
        ("ntpServers", "time.example.com. 2001:db8::1 10.0.0.1 my_server"),
        ("os.network.connectivity.uri", "http://[2001:db8::1]:8080/a?b#c"),
        ("os.network.connectivity.uri", "HTTPS://me:x@example.com"),
        ("os.network.connectivity.response", ""),
        ("os.udevRules.10-modem", "ACTION"),
        ("installer.target_devices", "nvme0n1 /dev/sda"),
        ("os.kernel.extraFirmwareVol", "1_extra-firmware"),
    ],
)
def test_values_that_work(name: str, text: str) -> None:
    assert config.set_value({}, name, text)[1] == []


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("country", "UK", "GB"),
        ("ntpServers", "10.0.0.256", "servers"),
        ("ntpServers", "a..b", "servers"),
        ("ntpServers", "10.0.0.1:123", "servers"),
        ("ntpServers", "a" * 64, "servers"),
        ("os.network.connectivity.uri", "http://", "HOST"),
        ("os.network.connectivity.uri", "http:///x", "HOST"),
        ("os.network.connectivity.uri", "http://a:99999", "65535"),
        ("os.network.connectivity.uri", "http://a/\x07", "HOST"),
        ("os.network.connectivity.response", "a\nb", "single line"),
        ("os.udevRules.a/b", "x", "directory"),
        ("os.udevRules", '{"10-a": 5}', "--set os.udevRules.10-a"),
        ("installer.target_devices", "a;b", "nvme0n1"),
        ("os.kernel.extraFirmwareVol", "a b", "letters"),
    ],
)
def test_values_that_cannot_work(name: str, text: str, hint: str) -> None:
    with pytest.raises(BadValue) as caught:
        config.set_value({}, name, text)

    assert hint in caught.value.hint


def test_a_login_in_an_address_is_not_shown() -> None:
    for text in (f"ftp://me:{SECRET}@example.com", f"http://me:{SECRET}@example.com:99999/"):
        with pytest.raises(BadValue) as caught:
            config.set_value({}, "os.network.connectivity.uri", text)
        assert SECRET not in everything(caught.value)


# mending


@pytest.mark.parametrize(
    ("data", "needed"),
    [
        (b'{"a": 1}\n', False),
        (b'{"a": "\\r\\n"}', False),
        (b'\xef\xbb\xbf{"a": 1}', True),
        (b'{\r\n"a": 1}\r\n', True),
        ('{"a": 1}'.encode("utf-16"), True),
        ("\ufeff{}".encode("utf-16-be"), True),
    ],
)
def test_a_file_of_windows_needs_mending(data: bytes, needed: bool) -> None:
    assert config.needs_rewrite(data) == needed
    assert not config.needs_rewrite(config.dump(config.parse(data)))
