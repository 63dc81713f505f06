from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.examples import examples

from image_tools.proxy import (
    HIDDEN,
    ProxyType,
    ProxyUrl,
    no_proxy,
    proxy_notices,
    read_no_proxy,
    read_redsocks,
    redsocks_conf,
)
from image_tools.redsocks_file import read_sections
from resin_toolkit.errors import BadValue, ConfigInvalid, ResinError

SECRET = "Marked-S3cret"
credentials = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=60)


def redsocks_takes(data: bytes, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """redsocks' own verdict on a configuration; it opens the log and checks, but serves nothing."""
    program = shutil.which("redsocks") or shutil.which("redsocks", path="/usr/sbin")
    assert program, "redsocks is needed"
    (folder / "redsocks.conf").write_bytes(data)
    return subprocess.run([program, "-t", "-c", folder / "redsocks.conf"], capture_output=True)


def everything(error: ResinError) -> str:
    return f"{error.message} {error.hint} {error.facts} {error.__cause__}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("socks5://10.0.0.1:1080", ProxyUrl(ProxyType.SOCKS5, "10.0.0.1", 1080)),
        ("socks5://10.0.0.1", ProxyUrl(ProxyType.SOCKS5, "10.0.0.1", 1080)),
        ("socks4://proxy.example.com", ProxyUrl(ProxyType.SOCKS4, "proxy.example.com", 1080)),
        ("http-connect://proxy", ProxyUrl(ProxyType.HTTP_CONNECT, "proxy", 3128)),
        ("HTTP://proxy:8080/", ProxyUrl(ProxyType.HTTP_CONNECT, "proxy", 8080)),
        (" http-relay://3com.example:80\n", ProxyUrl(ProxyType.HTTP_RELAY, "3com.example", 80)),
        ("socks4://me@proxy", ProxyUrl(ProxyType.SOCKS4, "proxy", 1080, "me")),
        ("socks5://me:p:w@proxy:", ProxyUrl(ProxyType.SOCKS5, "proxy", 1080, "me", "p:w")),
        ("socks5://a%40b:%25%3a%C3%A4@p", ProxyUrl(ProxyType.SOCKS5, "p", 1080, "a@b", "%:ä")),
        ("socks5://me:p@ss/w?rd#@p", ProxyUrl(ProxyType.SOCKS5, "p", 1080, "me", "p@ss/w?rd#")),
        ("socks5://@p", ProxyUrl(ProxyType.SOCKS5, "p", 1080)),
    ],
)
def test_urls(text: str, expected: ProxyUrl) -> None:
    assert ProxyUrl.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("10.0.0.1:1080", "not a URL", "TYPE://HOST:PORT"),
        ("https://proxy", "https", "http-connect://"),
        ("socks5h://proxy", "socks5h", "socks5://"),
        ("socks4a://proxy", "socks4a", "socks4://"),
        ("socks://proxy", "socks", "socks4"),
        ("ftp://proxy", "ftp", "http-relay"),
        (f"me:{SECRET}@x://proxy", "not a known proxy type", "http-relay"),
        ("socks5://", "host", "HOST"),
        (f"socks5://me:{SECRET}@", "host", "HOST"),
        (f"socks5://me:{SECRET}@a b", "host", "HOST"),
        (f"socks5://me:{SECRET}@-x", "host", "HOST"),
        (f"socks5://me:{SECRET}@proxy:0", "port", "65535"),
        (f"socks5://me:{SECRET}@proxy:65536", "port", "65535"),
        (f"socks5://me:{SECRET}@proxy:x", "HOST:PORT", "HOST"),
        (f"socks5://proxy:80/{SECRET}", "path", "HOST"),
        (f"socks5://proxy:{SECRET}", "HOST:PORT", "HOST"),
        (f"socks5://me:{SECRET}@10.0.0.256", "IPv4", "HOST"),
        (f"socks5://me:{SECRET}@10.1", "IPv4", "HOST"),
        (f"socks5://me:{SECRET}@[2001:db8::1]:1080", "IPv6", "IPv4"),
        (f"socks5://me:{SECRET}@2001:db8::1", "HOST:PORT", "HOST"),
        (f"socks5://me:%{SECRET}@proxy", "percent", "%25"),
        (f"socks5://me:{SECRET}%ff@proxy", "UTF-8", "UTF-8"),
        (f"socks5://me:{SECRET}\udcff@proxy", "UTF-8", "UTF-8"),
        (f"socks5://me:{SECRET}%0a@proxy", "control", "Remove"),
        (f"socks5://me:{SECRET}%00@proxy", "control", "Remove"),
        (f"socks5://:{SECRET}@proxy", "no login", "LOGIN:"),
        (f"socks5://me:{SECRET * 20}@proxy", "too long", "255"),
        (f"socks4://me:{SECRET}@proxy", "socks4", "socks5"),
        (f"http://m%3Ae:{SECRET}@proxy", "colon", "Remove"),
    ],
)
def test_urls_that_cannot_work(text: str, reason: str, hint: str) -> None:
    with pytest.raises(BadValue, match=reason) as caught:
        ProxyUrl.parse(text)

    assert hint in caught.value.hint
    assert SECRET not in everything(caught.value)


@settings(deadline=None)
@given(text=st.text(max_size=40) | st.text("socks5:/@[]%.1a ", max_size=30).map(lambda s: "socks5://" + s))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        proxy = ProxyUrl.parse(text)
    except BadValue:
        return

    assert ProxyUrl.parse(str(proxy)) == ProxyUrl(proxy.type, proxy.host, proxy.port)


def test_credentials_are_not_shown() -> None:
    proxy = ProxyUrl.parse(f"socks5://{SECRET}-me:{SECRET}@proxy")

    assert SECRET not in f"{proxy} {proxy!r} {proxy_notices(proxy)} {read_redsocks(redsocks_conf(proxy))}"
    assert str(proxy) == "socks5://proxy:1080"


def test_the_file() -> None:
    proxy = ProxyUrl.parse('socks5://me:a"b\\c@10.0.0.1')

    assert redsocks_conf(proxy).decode() == (
        "base {\n\tlog_debug = off;\n\tlog_info = on;\n\tlog = stderr;\n\tdaemon = off;\n"
        "\tredirector = iptables;\n}\n\n"
        "redsocks {\n\ttype = socks5;\n\tip = 10.0.0.1;\n\tport = 1080;\n"
        '\tlogin = "me";\n\tpassword = "a\\"b\\\\c";\n'
        "\tlocal_ip = 127.0.0.1;\n\tlocal_port = 12345;\n}\n"
    )


@pytest.mark.parametrize("kind", list(ProxyType))
@pytest.mark.parametrize("login", ["", "me", "q\"\\'; } // /* x", "ü emoji 🐧"])
def test_redsocks_takes_it(tmp_path: Path, kind: ProxyType, login: str) -> None:
    proxy = ProxyUrl(kind, "10.0.0.1", 1080, login, "" if kind is ProxyType.SOCKS4 else login)
    judged = redsocks_takes(redsocks_conf(proxy), tmp_path)

    assert (judged.returncode, judged.stderr) == (0, b"")


def test_redsocks_looks_names_up_and_takes_no_ipv6(tmp_path: Path) -> None:
    conf = redsocks_conf(ProxyUrl.parse("socks5://localhost"))

    assert redsocks_takes(conf, tmp_path).returncode == 0
    for host in (b'"::1"', b"::1", b"2001:db8::1", b'"no-such-host.invalid"'):
        assert redsocks_takes(conf.replace(b"localhost", host), tmp_path).returncode != 0
    assert [notice.code for notice in proxy_notices(ProxyUrl.parse("socks5://a.b"))] == ["proxy-by-name"]
    assert proxy_notices(ProxyUrl.parse("socks5://10.0.0.1")) == []
    assert [n.code for n in proxy_notices(ProxyUrl.parse("http-relay://1.2.3.4"))] == ["proxy-http-only"]


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(login=credentials, password=credentials, host=st.sampled_from(["10.0.0.1", "127.0.0.1"]))
def test_any_credentials_come_back(tmp_path: Path, login: str, password: str, host: str) -> None:
    url = f"socks5://{quote(login, safe='')}:{quote(password, safe='')}@{host}"
    if password and not login:
        with pytest.raises(BadValue):
            ProxyUrl.parse(url)
        return
    proxy = ProxyUrl.parse(url)
    conf = redsocks_conf(proxy)
    found = dict(read_sections(conf, "x"))["redsocks"]

    assert (proxy.login, proxy.password) == (login, password)
    assert (found.get("login", ""), found.get("password", "")) == (login, password)
    assert redsocks_takes(conf, tmp_path).returncode == 0


HAND_WRITTEN = f"""\
/* ours,
   do not touch */
base {{ log = "stderr"; redirector = iptables; // http://
}}
redsocks {{
  type = http-connect; ip = "proxy.example.com"; port = 8080;
  login = {SECRET}; password = "{SECRET}\\n";
}}
"""


def test_what_others_wrote_is_read(tmp_path: Path) -> None:
    expected = {
        "type": "http-connect",
        "host": "proxy.example.com",
        "port": 8080,
        "url": "http-connect://proxy.example.com:8080",
        "login": HIDDEN,
        "password": HIDDEN,
    }

    assert read_redsocks(HAND_WRITTEN.encode()) == expected
    assert read_redsocks(HAND_WRITTEN.replace("\n", "\r\n").encode()) == expected
    assert (
        redsocks_takes(HAND_WRITTEN.replace("proxy.example.com", "localhost").encode(), tmp_path).returncode
        == 0
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no proxy"),
        (b"base { }\n", "no proxy"),
        (b"redsocks { }\n", "type"),
        (b"redsocks { type = socks5; ip = a; }\n", "port"),
        (b"redsocks {\n type = socks5\n ip = a; }\n", "line 3: ; is missing"),
        (b"redsocks {\n type = ; }\n", "line 2: type has no value"),
        (b"redsocks {\n type socks5 x; }\n", "line 2: ; is missing"),
        (b"redsocks {\n type = socks5;\n", "not closed"),
        (b"redsocks {\n type = socks5; = }\n", "line 2: expected a setting"),
        (b"redsocks\n", "{ is missing"),
        (b"}\n", "line 1: expected the name of a section"),
        (b'redsocks {\n password = "' + SECRET.encode() + b'\\x"; }\n', "line 2: invalid syntax"),
        (b"redsocks {\n password = \xc3\xa4" + SECRET.encode() + b"; }\n", "line 2: invalid syntax"),
        (b"\xef\xbb\xbfredsocks { }\n", "line 1: invalid syntax"),
        (b"redsocks { /* \n", "invalid syntax"),
    ],
)
def test_a_broken_file_is_told_of(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(ConfigInvalid, match=reason) as caught:
        read_redsocks(data)

    assert SECRET not in everything(caught.value)
    if b"line" in reason.encode():
        assert redsocks_takes(data, tmp_path).returncode != 0


@settings(max_examples=examples(100), deadline=None)
@given(data=st.binary(max_size=40) | st.text('redsocks{}=;"\\/*\n 1', max_size=40).map(str.encode))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(ConfigInvalid):
        read_redsocks(data)


# no_proxy


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], b""),
        (["10.0.0.1"], b"10.0.0.1\n"),
        (["10.0.0.1/8,192.168.1.0/24 1.2.3.4", "10.0.0.0/8"], b"10.0.0.0/8\n192.168.1.0/24\n1.2.3.4\n"),
        (["10.0.0.0/255.0.0.0", "1.2.3.4/32"], b"10.0.0.0/8\n1.2.3.4\n"),
    ],
)
def test_no_proxy(entries: list[str], expected: bytes) -> None:
    assert no_proxy(entries) == expected
    assert read_no_proxy(expected) == (expected.decode().split(), [])


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ("localhost", "names"),
        ("*.example.com", "names"),
        ("10.0.0.0/33", "10.0.0.0/8"),
        ("2001:db8::/32", "IPv6"),
    ],
)
def test_no_proxy_takes_only_what_iptables_takes(entry: str, hint: str) -> None:
    with pytest.raises(BadValue) as caught:
        no_proxy(["10.0.0.1", entry])

    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"10.0.0.1\n", []),
        (b"10.0.0.1", []),
        (b"10.0.0.1\r\n10.0.0.2\r\n", [1, 2]),
        (b"# ours\n10.0.0.1\n\n10.0.0.2\n", [1, 3]),
        (b"::1\nexample.com\n", [1, 2]),
        (b"\xff\n", [1]),
    ],
)
def test_lines_that_the_device_stumbles_over(data: bytes, lines: list[int]) -> None:
    _, notices = read_no_proxy(data)

    assert [int(notice.message.split("line ")[1].split(":")[0]) for notice in notices] == lines


@settings(deadline=None)
@given(networks=st.lists(st.ip_addresses(v=4).map(str), max_size=5))
def test_no_proxy_is_read_as_written(networks: list[str]) -> None:
    assert read_no_proxy(no_proxy(networks)) == (list(dict.fromkeys(networks)), [])
