"""What a file of answers can say, what is refused of one, and its documentation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.answers_cases import EVERYTHING, EXPECTED, HERE, SECRET, everything, read
from support.examples import examples

from image_tools.answers import (
    Answers,
    CellularAnswers,
    EthernetAnswers,
    HotspotAnswers,
    ProxyAnswers,
    SecretReference,
    WifiAnswers,
)
from image_tools.answers.schema import TABLES, TOP, answers_table, markdown_table
from resin_toolkit.errors import BadValue, ConfigInvalid, PathNotFound, from_os_error

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
        ("[[wifi]]\nhidden = true", 1, "SSID"),
        ("[cellular]", 1, "Access point"),
        ("[hotspot]", 1, "SSID"),
        ("wifi = 5", None, "[wifi]"),
        ("ethernet = []", None, "[ethernet]"),
        ("hostname = 5", 1, "hostname ="),
        ("hostname = 'my host'", 1, "my-host"),
        ("hostname = '{n}-{m}'", 1, "letters"),
        ("country = 'UK'", 1, "GB"),
        ("persistent-logging = 'yes'", 1, "= true"),
        ("partition = true", 1, "= 1"),
        ("ntp = [1]", 1, "two"),
        ("ntp = []", 1, "at least one value"),
        ("dns-servers = 'dns.example.com'", 1, "IP"),
        ("ssh-keys = ['']", 1, "path"),
        ("config-file = 'a\\u0000b'", 1, "'"),
        ('config-file = "a\\u0000b"', 1, "path"),
        ("config = 1", 1, "{}"),
        ("[config]\na = 2020-01-01", 2, "quotes"),
        ("[config]\na = inf", 2, "quotes"),
        ("[config]\na = [nan]", 2, "NaN"),
        (f"[config]\nwifiKey = '{SECRET}'", 2, "config-file"),
        (f"[config]\ndeviceApiKeys.x = '{SECRET}'", 2, "config-file"),
        ("[[wifi]]\nssid = ''", 2, "SSID"),
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
    with pytest.raises(BadValue, match="contains a literal secret") as caught:
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


@settings(max_examples=examples(120), deadline=None)
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
        with pytest.raises(BadValue, match="exactly one line"):
            SecretReference(file=tmp_path / name).read()
    for environ in ({}, {"X": ""}):
        with pytest.raises(BadValue, match="X is not set"):
            SecretReference(variable="X").read(environ)
    with pytest.raises(OSError) as caught:
        SecretReference(file=tmp_path / "gone").read()
    assert isinstance(from_os_error(caught.value), PathNotFound)


# documentation


def test_the_documentation_has_every_key() -> None:
    rows = answers_table()

    assert len({(row.table, row.key) for row in rows}) == len(rows)
    assert all(row.meaning.endswith(".") for row in rows)
    for table in ("", *TABLES):
        lines = markdown_table(table).splitlines()
        assert [line.split("`")[1] for line in lines[2:]] == [r.key for r in rows if r.table == table]
