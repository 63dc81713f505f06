from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_tools.answers import (
    Answers,
    CellularAnswers,
    EthernetAnswers,
    HotspotAnswers,
    ProxyAnswers,
    SecretReference,
    WifiAnswers,
)
from image_tools.answers.merging import merged
from image_tools.answers.reading import read_answers
from image_tools.answers.schema import TABLES, TOP, answers_table, markdown_table
from image_tools.answers.writing import write_answers
from resin_toolkit.errors import BadValue, ConfigInvalid, PathNotFound, ResinError, from_os_error

SECRET = "Marked-S3cret"
HERE = Path("/lab")

EVERYTHING = """\
# A lab's cards.
hostname = "kitchen-{n}"
country = "de"
persistent-logging = true
development-mode = false
ntp = ["0.pool.ntp.org", "10.0.0.1"]
dns-servers = "null"
ssh-keys = ["keys/me.pub", "/etc/key.pub"]
config-file = "more.json"
replace = true
unset = "uuid"
connections = "vpn.nmconnection"
remove-connections = ["old", "older"]
partition = 4

[config]
os.power.mode = "low"
"a.b" = [1, 2.5, { c = true }]

[[wifi]]
ssid = "home 🏠"
passphrase-file = "secret.txt"
priority = 10
hidden = true
plain-passphrase = true

[[wifi]]
ssid = [255, 0]
id = "eduroam"
security = "ttls"
identity = "me@example.com"
anonymous-identity = "anonymous@example.com"
password-env = "WORK_PASSWORD"
phase2 = "pap"
domain-suffix-match = "example.com"
ca-cert = "ca.pem"
client-cert = "me.pem"
private-key = "me.key"
private-key-password-file = "/run/key"
static = ["192.168.1.20/24", "2001:db8::20/64"]
gateway = "192.168.1.1"
dns = "192.168.1.1"
route-metric = 50

[ethernet]
shared = true
static = "10.42.0.1/24"
never-default = true

[cellular]
apn = "internet"
number = "*99#"
username = "me"
password-env = "SIM_PASSWORD"
pin-file = "pin"

[hotspot]
ssid = "kitchen"
passphrase-env = "HOTSPOT"
band = "bg"
channel = 6

[proxy]
url-env = "PROXY"
no-proxy = ["10.0.0.0/8"]
"""

EXPECTED = Answers(
    hostname="kitchen-{n}",
    country="de",
    persistent_logging=True,
    development_mode=False,
    ntp="0.pool.ntp.org 10.0.0.1",
    dns_servers="null",
    ssh_keys=(Path("/lab/keys/me.pub"), Path("/etc/key.pub")),
    config_file=Path("/lab/more.json"),
    replace=True,
    config={"os": {"power": {"mode": "low"}}, "a.b": [1, 2.5, {"c": True}]},
    unset=("uuid",),
    connections=(Path("/lab/vpn.nmconnection"),),
    remove_connections=("old", "older"),
    partition=4,
    wifi=(
        WifiAnswers(
            ssid="home 🏠".encode(),
            passphrase=SecretReference(file=Path("/lab/secret.txt")),
            priority=10,
            hidden=True,
            plain_passphrase=True,
        ),
        WifiAnswers(
            ssid=b"\xff\0",
            id="eduroam",
            security="ttls",
            identity="me@example.com",
            anonymous_identity="anonymous@example.com",
            password=SecretReference(variable="WORK_PASSWORD"),
            phase2="pap",
            domain_suffix_match="example.com",
            ca_cert=Path("/lab/ca.pem"),
            client_cert=Path("/lab/me.pem"),
            private_key=Path("/lab/me.key"),
            private_key_password=SecretReference(file=Path("/run/key")),
            static=("192.168.1.20/24", "2001:db8::20/64"),
            gateway=("192.168.1.1",),
            dns=("192.168.1.1",),
            route_metric=50,
        ),
    ),
    ethernet=EthernetAnswers(shared=True, static=("10.42.0.1/24",), never_default=True),
    cellular=CellularAnswers(
        apn="internet",
        number="*99#",
        username="me",
        password=SecretReference(variable="SIM_PASSWORD"),
        pin=SecretReference(file=Path("/lab/pin")),
    ),
    hotspot=HotspotAnswers(
        ssid=b"kitchen", passphrase=SecretReference(variable="HOTSPOT"), band="bg", channel=6
    ),
    proxy=ProxyAnswers(url=SecretReference(variable="PROXY"), no_proxy=("10.0.0.0/8",)),
)


def read(text: str | bytes) -> Answers:
    return read_answers(text.encode() if isinstance(text, str) else text, "lab.toml", HERE)


def everything(error: ResinError) -> str:
    return f"{error.message} {error.hint} {error.facts} {error.__cause__}"


# reading


def test_everything_can_be_said() -> None:
    assert read(EVERYTHING) == EXPECTED
    assert EXPECTED.sets == (
        ("hostname", "kitchen-{n}"),
        ("country", "de"),
        ("persistentLogging", "true"),
        ("developmentMode", "false"),
        ("ntpServers", "0.pool.ntp.org 10.0.0.1"),
        ("dnsServers", "null"),
    )


def test_every_field_has_its_key_and_is_tried_above() -> None:
    """The table and the values know the same fields, and the long example has all but a few of the keys."""
    kinds = {"wifi": WifiAnswers, "ethernet": EthernetAnswers, "cellular": CellularAnswers}
    kinds |= {"hotspot": HotspotAnswers, "proxy": ProxyAnswers}
    for name, kind in kinds.items():
        fields = {field.name for field in dataclasses.fields(kind)}
        assert {entry.attribute for entry in TABLES[name]} == fields
    assert {entry.attribute for entry in TOP} | set(TABLES) == {f.name for f in dataclasses.fields(Answers)}
    keys = {row.key for row in answers_table()}
    assert {key for key in keys if f"\n{key} = " not in EVERYTHING} == {
        "config",
        "url",
        "url-file",
        "pin-env",
        "private-key-password-env",
        "password-file",
    }


def test_an_empty_file_says_nothing() -> None:
    assert read("") == Answers()
    assert read("[ethernet]\n").ethernet == EthernetAnswers()


def test_windows_editors_are_understood() -> None:
    assert read(b"\xef\xbb\xbf" + EVERYTHING.replace("\n", "\r\n").encode()) == EXPECTED
    assert read(EVERYTHING.encode("utf-16")) == EXPECTED


def test_one_network_needs_no_list_and_the_home_folder_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    answers = read('ssh-keys = "~/.ssh/id.pub"\n[wifi]\nssid = "x"\n')

    assert answers.ssh_keys == (Path("/home/me/.ssh/id.pub"),)
    assert answers.wifi == (WifiAnswers(ssid=b"x"),)


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("hostnme = 'x'", 1, '"hostname"'),
        ("\npersistentLogging = true", 2, '"persistent-logging"'),
        ("balenaRootCA = 'x'", 1, "[config]"),
        ("[os]\nfan.profile = 'cool'", None, "[config]"),
        ("[wfi]\nssid = 'x'", None, '"wifi"'),
        ("quux = 1", 1, "hostname, country"),
        ("[[wifi]]\nssid = 'x'\n[[wifi]]\nssid = 'y'\nsecurty = 'open'", 5, '"security"'),
        ("[[wifi]]\nssid = 'x'\nplain_passphrase = true", 3, '"plain-passphrase"'),
        ("[[wifi]]\nhidden = true", 1, "name"),
        ("[cellular]", 1, "access point"),
        ("[hotspot]", 1, "name"),
        ("wifi = 5", None, "[wifi]"),
        ("ethernet = []", None, "[ethernet]"),
        ("hostname = 5", 1, "hostname ="),
        ("hostname = 'my host'", 1, "my-host"),
        ("hostname = '{n}-{m}'", 1, "letters"),
        ("country = 'UK'", 1, "GB"),
        ("persistent-logging = 'yes'", 1, "= true"),
        ("partition = true", 1, "= 1"),
        ("ntp = [1]", 1, "two"),
        ("ntp = []", 1, "server"),
        ("dns-servers = 'dns.example.com'", 1, "IP"),
        ("ssh-keys = ['']", 1, "path"),
        ("config-file = 'a\\u0000b'", 1, "'"),
        ('config-file = "a\\u0000b"', 1, "path"),
        ("config = 1", 1, "{}"),
        ("[config]\na = 2020-01-01", 2, "quotes"),
        ("[config]\na = inf", 2, "quotes"),
        ("[config]\na = [nan]", 2, "nan"),
        (f"[config]\nwifiKey = '{SECRET}'", 2, "config-file"),
        (f"[config]\ndeviceApiKeys.x = '{SECRET}'", 2, "config-file"),
        ("[[wifi]]\nssid = ''", 2, "name"),
        (f"[[wifi]]\nssid = '{'x' * 33}'", 2, "32"),
        ("[[wifi]]\nssid = [256]", 2, "ssid ="),
        ("[[wifi]]\nssid = [true]", 2, "ssid ="),
        ("[[wifi]]\nssid = [1.5]", 2, "ssid ="),
        ("[[wifi]]\nssid = 'x'\nhidden = true\n[[wifi]]\nssid = 'y'\nhidden = 1", 6, "= true"),
        ("[[wifi]]\nssid = 'x'\nsecurity = 'wep'", 3, "wpa-psk"),
        ("[[wifi]]\nssid = 'x'\nstatic = '10.0.0.1'", 3, "PREFIX"),
        ("[[wifi]]\nssid = 'x'\nstatic = '10.0.0.2/24'\ngateway = '10.1.0.1'", 3, "prefix"),
        ("[hotspot]\nssid = 'x'\ngateway = '10.1.0.1'", 1, "share"),
        ("[ethernet]\nroute-metric = -1", 1, "0"),
        ("[[wifi]]\nssid = 'x'\npassphrase-env = 'A'\npassphrase-file = 'b'", 4, "passphrase-env"),
        (f"[[wifi]]\nssid = 'x'\npassphrase-env = '{SECRET}'", 3, "variable"),
        ("[[wifi]]\nssid = 'x'\npassphrase-env = ''", 3, "variable"),
        ("[[wifi]]\nssid = 'x'\npassphrase-file = 1", 3, "file"),
        ("[proxy]\nurl = 'ftp://x'", 2, "socks5"),
    ],
)
def test_what_cannot_be_right_is_refused(text: str, line: int | None, hint: str) -> None:
    if hint == "'":
        assert read(text).config_file == HERE / "a\\u0000b"
        return
    with pytest.raises(BadValue) as caught:
        read(text)

    assert caught.value.message.startswith("lab.toml")
    assert caught.value.facts["line"] == line
    assert hint in caught.value.hint
    assert SECRET not in everything(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f"[[wifi]]\nssid = 'x'\npassphrase = '{SECRET}'", "passphrase-env"),
        (f"[[wifi]]\nssid = 'x'\npsk = '{SECRET}'", "passphrase-env"),
        (f"[[wifi]]\nssid = 'x'\npassword = '{SECRET}'", "password-env"),
        (f"[[wifi]]\nssid = 'x'\nprivate_key_password = '{SECRET}'", "private-key-password-file"),
        (f"[cellular]\napn = 'x'\npin = '{SECRET}'", "pin-file"),
        (f"[hotspot]\nssid = 'x'\npassphrase = '{SECRET}'", "passphrase-file"),
        (f"[proxy]\nurl = 'socks5://me:{SECRET}@10.0.0.1'", "url-file"),
    ],
)
def test_a_secret_in_the_file_is_refused_without_showing_it(text: str, hint: str) -> None:
    with pytest.raises(BadValue, match="holds the secret itself") as caught:
        read(text)

    assert hint in caught.value.hint
    assert SECRET not in everything(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"hostname = 'x'\npassphrase = {SECRET}\n", 2),
        (f"a = 1\na = '{SECRET}'\n", 2),
        (f"a = '{SECRET}", None),
        ("a = " + "[" * 5000, None),
        ("a = " + "1" * 5000, None),
        ("[a]\n[a]\n", 2),
    ],
)
def test_what_is_not_toml_is_refused(text: str, line: int | None) -> None:
    with pytest.raises(ConfigInvalid, match=r"lab\.toml") as caught:
        read(text)

    assert caught.value.facts["line"] == line
    assert SECRET not in everything(caught.value)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="line 2"):
        read(b"a = 1\n\xff")


@settings(max_examples=300, deadline=None)
@given(text=st.text('[]{}="\\#\n.,wifihostname1 -', max_size=60) | st.text(max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        read(text.encode("utf-8", "surrogatepass"))
    except (BadValue, ConfigInvalid) as error:
        assert error.message.startswith("lab.toml")  # noqa: PT017 - it may also be right


# secrets


def test_secrets_are_read_from_file_or_variable(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(f" {SECRET} \r\n")
    (tmp_path / "two").write_text("one\ntwo\n")
    (tmp_path / "none").write_text("\n")
    (tmp_path / "long").write_text("x" * 5000)
    (tmp_path / "bytes").write_bytes(b"\xff\n")

    assert SecretReference(file=tmp_path / "one").read() == f" {SECRET} "
    assert SecretReference(variable="X").read({"X": SECRET}) == SECRET
    for name in ("two", "none", "long", "bytes"):
        with pytest.raises(BadValue, match="one secret"):
            SecretReference(file=tmp_path / name).read()
    for environ in ({}, {"X": ""}):
        with pytest.raises(BadValue, match="X is not set"):
            SecretReference(variable="X").read(environ)
    with pytest.raises(OSError) as caught:
        SecretReference(file=tmp_path / "gone").read()
    assert isinstance(from_os_error(caught.value), PathNotFound)


# writing

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
plain = st.text("abz-", min_size=1, max_size=8)
files = st.builds(lambda name: Path("/lab") / name, st.text("ab\"\\ü \n'", min_size=1, max_size=6))
secrets = st.builds(SecretReference, file=files) | st.builds(
    SecretReference, variable=st.sampled_from(["A", "RESIN_WIFI_PASSPHRASE"])
)
flags = st.booleans() | st.none()
tables = st.dictionaries(
    texts.filter(lambda name: name not in ("os", "installer")),
    st.recursive(
        st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    ),
    max_size=3,
)
naming: dict[str, Any] = {
    "id": st.none() | texts,
    "priority": st.none() | st.integers(-9, 9),
    "dns": st.sampled_from([(), ("10.0.0.1", "2001:db8::1")]),
    "static": st.sampled_from([(), ("10.0.0.2/24",)]),
    "never_default": flags,
    "route_metric": st.none() | st.integers(0, 9),
}
wifis = st.builds(
    WifiAnswers,
    ssid=st.binary(min_size=1, max_size=32) | st.text("ü\"\\'\t", min_size=1, max_size=8).map(str.encode),
    passphrase=st.none() | secrets,
    security=st.sampled_from([None, "wpa-psk", "tls"]),
    hidden=flags,
    identity=st.none() | texts,
    private_key=st.none() | files,
    **naming,
)
all_answers = st.builds(
    Answers,
    hostname=st.none() | st.just("kitchen-{n}"),
    persistent_logging=flags,
    dns_servers=st.sampled_from([None, "null", "1.1.1.1 8.8.8.8"]),
    ssh_keys=st.lists(files, max_size=2).map(tuple),
    config_file=st.none() | files,
    config=tables,
    unset=st.lists(texts, max_size=2).map(tuple),
    partition=st.none() | st.integers(1, 20),
    wifi=st.lists(wifis, max_size=2).map(tuple),
    ethernet=st.none() | st.builds(EthernetAnswers, **naming),
    cellular=st.none() | st.builds(CellularAnswers, apn=plain, pin=st.none() | secrets),
    proxy=st.none() | st.builds(ProxyAnswers, url=st.none() | secrets | st.just("socks5://10.0.0.1:1080")),
)


def test_the_long_example_is_written_and_read_back() -> None:
    text = write_answers(EXPECTED)

    assert read(text) == EXPECTED
    assert 'passphrase-env = "HOTSPOT"' in text
    assert 'url-env = "PROXY"' in text
    assert text.startswith("# ")


@settings(max_examples=150, deadline=None)
@given(answers=all_answers)
def test_what_is_written_is_read_back(answers: Answers) -> None:
    text = write_answers(answers)
    left_out = [line for line in text.splitlines()[1:] if line.startswith("#")]

    assert tomllib.loads(text) is not None
    back = read(text)
    assert dataclasses.replace(back, config={}) == dataclasses.replace(answers, config={})
    assert left_out or json.dumps(back.config, sort_keys=True) == json.dumps(answers.config, sort_keys=True)


def test_what_toml_cannot_hold_or_must_not_show_is_left_out_with_a_word() -> None:
    config = {
        "a": None,
        "b": [1, None],
        "c": "\ud83d",
        "\ud83d": 1,
        "deviceApiKey": SECRET,
        "my_password": SECRET,
        "os": {"network": {"connectivity": {"uri": f"http://me:{SECRET}@example.com"}}},
        "deviceApiKeys": {"x": SECRET},
        "empty": {},
        "good\n": 1,
    }
    text = write_answers(Answers(config=config))

    assert SECRET not in text
    assert read(text).config == {"empty": {}, "good\n": 1}
    assert [line.split()[1] for line in text.splitlines()[1:] if line.startswith("#")] == [
        "a",
        "b",
        "c",
        "A",
        "deviceApiKey",
        "my_password",
        "os.network.connectivity.uri",
        "deviceApiKeys.x",
    ]
    with pytest.raises(BadValue, match="Unicode"):
        write_answers(Answers(unset=("\ud83d",)))


# merging


def test_the_command_line_wins() -> None:
    under = read(EVERYTHING)
    over = Answers(
        hostname="bath",
        persistent_logging=False,
        ssh_keys=(Path("/x.pub"), Path("/etc/key.pub")),
        unset=("uuid", "a"),
        config={"os": {"fan": {"profile": "cool"}}, "a.b": 1},
        wifi=(WifiAnswers(ssid=b"new"), WifiAnswers(ssid=b"\xff\0", priority=3)),
        ethernet=EthernetAnswers(static=("10.42.0.9/24",)),
        proxy=ProxyAnswers(url="socks5://10.0.0.1"),
    )
    result = merged(under, over)

    assert result == dataclasses.replace(
        EXPECTED,
        hostname="bath",
        persistent_logging=False,
        ssh_keys=(*EXPECTED.ssh_keys, Path("/x.pub")),
        unset=("uuid", "a"),
        config={"os": {"power": {"mode": "low"}, "fan": {"profile": "cool"}}, "a.b": 1},
        wifi=(
            EXPECTED.wifi[0],
            dataclasses.replace(EXPECTED.wifi[1], priority=3),
            WifiAnswers(ssid=b"new"),
        ),
        ethernet=EthernetAnswers(shared=True, static=("10.42.0.9/24",), never_default=True),
        proxy=ProxyAnswers(url="socks5://10.0.0.1", no_proxy=("10.0.0.0/8",)),
    )


def test_a_network_without_a_name_completes_the_only_one() -> None:
    secret = SecretReference(variable="X")
    nameless = Answers(wifi=(WifiAnswers(passphrase=secret),))
    one = Answers(wifi=(WifiAnswers(ssid=b"x", hidden=True),))
    two = Answers(wifi=(WifiAnswers(ssid=b"x"), WifiAnswers(ssid=b"y")))

    assert merged(one, nameless).wifi == (WifiAnswers(ssid=b"x", hidden=True, passphrase=secret),)
    assert merged(two, nameless).wifi == (*two.wifi, *nameless.wifi)


def test_networks_of_one_name_are_told_apart_by_their_ids() -> None:
    under = Answers(wifi=(WifiAnswers(ssid=b"x", id="a"), WifiAnswers(ssid=b"x", id="b")))
    over = Answers(
        wifi=(
            WifiAnswers(ssid=b"x", id="b", priority=1),
            WifiAnswers(ssid=b"x", priority=2),
            WifiAnswers(ssid=b"x", id="c"),
            WifiAnswers(ssid=b"x", priority=3),
        )
    )

    assert merged(under, over).wifi == (
        WifiAnswers(ssid=b"x", id="a", priority=2),
        WifiAnswers(ssid=b"x", id="b", priority=1),
        WifiAnswers(ssid=b"x", id="c"),
        WifiAnswers(ssid=b"x", priority=3),
    )


@settings(max_examples=60, deadline=None)
@given(answers=all_answers)
def test_nothing_laid_over_changes_nothing(answers: Answers) -> None:
    once = merged(answers, Answers())

    assert once.hostname == answers.hostname
    assert once.wifi == answers.wifi
    assert merged(Answers(), once) == once
    if len({network.ssid for network in once.wifi}) == len(once.wifi):
        assert merged(once, once) == once


# documentation


def test_the_documentation_has_every_key() -> None:
    rows = answers_table()

    assert len({(row.table, row.key) for row in rows}) == len(rows)
    assert all(row.meaning.endswith(".") for row in rows)
    for table in ("", *TABLES):
        lines = markdown_table(table).splitlines()
        assert [line.split("`")[1] for line in lines[2:]] == [r.key for r in rows if r.table == table]
