"""Networks of every kind, keys, proxies and files of answers, as they are typed; no secret is ever shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import certificates
from support.boot_images import Boot, boot_image
from support.resin_command import Run, Terminal, environment, resin

from image_tools.profiles import read_keyfile

SECRET = "Marked-s3cret-0f-all"
PIN = "73918264"
CONFIG = '{"hostname": "old", "deviceApiKey": "' + SECRET + '"}'


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boot:
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text(f"{SECRET}\n")
    Path("pin").write_text(f"{PIN}\n")
    return boot_image(tmp_path / "card.img", {"config.json": CONFIG})


def sections(boot: Boot, name: str) -> Mapping[str, Mapping[str, str]]:
    return read_keyfile(boot.read(f"system-connections/{name}")).sections


def configured(boot: Boot, *words: str | Path) -> Run:
    run = resin("configure", boot.path, *words)
    assert run.code == 0, run.err
    assert SECRET not in run.out + run.err
    assert boot.complaints() == []
    return run


WIFI = ("--ssid", "home", "--passphrase-file", "secret")


def test_each_way_to_secure_wifi(boot: Boot) -> None:
    configured(boot, *WIFI, "--security", "sae", "--priority", "5")
    home = sections(boot, "home")
    assert (home["wifi-security"]["key-mgmt"], home["wifi-security"]["psk"]) == ("sae", SECRET)
    assert home["connection"]["autoconnect-priority"] == "5"
    configured(boot, *WIFI, "--plain-passphrase")
    assert sections(boot, "home")["wifi-security"]["psk"] == SECRET
    configured(boot, *WIFI)
    assert len(sections(boot, "home")["wifi-security"]["psk"]) == 64


@pytest.mark.parametrize("method", ["peap", "ttls"])
def test_a_company_with_a_password(boot: Boot, method: str) -> None:
    words = ("--security", method, "--identity", "me@work", "--anonymous-identity", "anyone@work")
    configured(boot, *WIFI, *words)
    eap = sections(boot, "home")["802-1x"]
    assert (eap["eap"].rstrip(";"), eap["identity"], eap["password"]) == (method, "me@work", SECRET)
    assert eap["anonymous-identity"] == "anyone@work"


def test_addresses_are_for_the_one_profile_that_is_added(boot: Boot) -> None:
    static = (
        "--static",
        "10.0.0.7/24",
        "--static",
        "fd00::7/64",
        "--gateway",
        "10.0.0.1",
        "--profile-dns",
        "10.0.0.2",
    )
    configured(boot, "--ethernet", *static, "--route-metric", "50")
    wired = sections(boot, "ethernet")
    assert (wired["ipv4"]["address1"], wired["ipv4"]["method"]) == ("10.0.0.7/24,10.0.0.1", "manual")
    assert wired["ipv6"]["address1"] == "fd00::7/64"
    run = resin("configure", boot.path, *WIFI, "--ethernet", *static)
    assert (run.code, "Run the command once for each profile" in run.err) == (2, True)
    assert resin("configure", boot.path, *static).code == 2
    configured(boot, "--ethernet", "--shared")
    assert sections(boot, "ethernet")["ipv4"]["method"] == "shared"


def test_one_of_each_kind_in_one_run(boot: Boot) -> None:
    modem = (
        "--cellular",
        "internet",
        "--gsm-username",
        "u",
        "--gsm-password-file",
        "secret",
        "--pin-file",
        "pin",
    )
    hotspot = ("--hotspot", "resin", "--hotspot-passphrase-file", "secret")
    configured(boot, *WIFI, "--ethernet", *modem, *hotspot)
    names = ("home", "ethernet", "cellular", "hotspot")
    assert [sections(boot, name)["connection"]["type"] for name in names] == [
        "wifi",
        "ethernet",
        "gsm",
        "wifi",
    ]
    assert sections(boot, "cellular")["gsm"]["pin"] == PIN
    assert sections(boot, "hotspot")["wifi"]["mode"] == "ap"
    before = boot.digest()
    configured(boot, *WIFI, "--ethernet", *modem, *hotspot)
    assert boot.digest() == before
    configured(boot, "--remove-connection", "home", "--remove-connection", "hotspot")
    assert "system-connections/home" not in boot.tree()


@pytest.mark.parametrize(
    "words",
    [
        ["--identity", "me"],
        ["--gsm-number", "*99#"],
        ["--shared"],
        ["--priority", "3"],
        ["--hotspot-passphrase-file", "secret"],
        ["--ssid", "x", "--security", "peap", "--passphrase-file", "secret"],
        ["--hotspot", "x"],
        ["--ssid", "x", "--passphrase-file", "-", "--pin-file", "-", "--cellular", "a"],
        ["--ethernet", "--static", "10.0.0.7/40"],
        ["--ethernet", "--static", "10.0.0.7/24", "--gateway", "10.9.0.1"],
        ["--proxy", "ftp://x"],
        ["--no-proxy", "example.org"],
        ["--country", "Germany"],
        ["--ssh-key", "secret"],
        ["--set", "x\udcff=1"],
    ],
    ids=" ".join,
)
def test_what_does_not_fit_together_is_refused_and_nothing_changes(boot: Boot, words: list[str]) -> None:
    before = boot.digest()
    run = resin("configure", boot.path, *words, "--json")
    assert run.code == 2, run
    assert run.error["hint"]
    assert SECRET not in run.out
    assert boot.digest() == before


def test_keys_with_options_of_their_own(boot: Boot) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key", "-C", "me"], check=True)
    configured(boot, "--country", "de", "--development-mode", "--ntp", "a.org b.org", "--ssh-key", "key.pub")
    config = json.loads(boot.read("config.json"))
    assert (config["country"], config["developmentMode"], config["ntpServers"]) == ("DE", True, "a.org b.org")
    assert config["os"]["sshKeys"] == [Path("key.pub").read_text().strip()]
    run = resin("configure", boot.path, "--ssh-key", "key")
    assert run.code == 2
    assert "PRIVATE" not in run.err.replace("private key", "")
    configured(boot, "--replace", "--hostname", "new")
    assert json.loads(boot.read("config.json")) == {"hostname": "new"}


def test_a_broken_config_json_is_begun_anew(tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "image", {"config.json": ""})
    run = resin("configure", boot.path, "--hostname", "a")
    assert run.code == 1
    assert "--replace" in run.err
    assert resin("configure", boot.path, "--hostname", "a", "--replace").code == 0
    assert json.loads(boot.read("config.json")) == {"hostname": "a"}


def test_a_proxy(boot: Boot) -> None:
    run = configured(
        boot, "--proxy", f"socks5://me:{SECRET}@proxy.local:1080", "--no-proxy", "10.0.0.0/8, 192.168.1.1"
    )
    assert "can see it" in run.err
    text = boot.read("system-proxy/redsocks.conf").decode()
    assert f'password = "{SECRET}"' in text
    assert boot.read("system-proxy/no_proxy").split() == [b"10.0.0.0/8", b"192.168.1.1"]


ANSWERS = """
hostname = "kitchen"
persistent-logging = true
[config]
country = "DE"
[[wifi]]
ssid = "home"
passphrase-file = "secret"
priority = 10
[[wifi]]
ssid = "hall"
security = "open"
[ethernet]
static = ["10.0.0.7/24"]
"""


def test_a_file_of_answers_and_options_that_count_more(boot: Boot) -> None:
    Path("lab.toml").write_text(ANSWERS)
    configured(boot, "--from", "lab.toml", "--hostname", "attic")
    config = json.loads(boot.read("config.json"))
    assert (config["hostname"], config["persistentLogging"], config["country"]) == ("attic", True, "DE")
    assert sections(boot, "home")["connection"]["autoconnect-priority"] == "10"
    assert "wifi-security" not in sections(boot, "hall")
    assert sections(boot, "ethernet")["ipv4"]["address1"] == "10.0.0.7/24"
    Path("lab.toml").write_text(f'passphrase = "{SECRET}"\n')
    run = resin("configure", boot.path, "--from", "lab.toml", "--json")
    assert run.code == 2
    assert SECRET not in run.out + run.err


def test_an_image_written_as_answers_configures_another_one_alike(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(boot, *WIFI, "--priority", "3", "--hostname", "kitchen", "--set", "mine.deep=1", "--ethernet")
    run = resin("configure", boot.path, "--show", "--toml")
    assert run.code == 0
    assert SECRET not in run.out + run.err
    Path("again.toml").write_text(run.out)
    other = boot_image(Path("other.img").absolute(), {"config.json": "{}"})
    monkeypatch.setenv("RESIN_WIFI_PASSPHRASE", SECRET)
    configured(other, "--from", "again.toml")
    for name in ("home", "ethernet"):
        assert other.read(f"system-connections/{name}") == boot.read(f"system-connections/{name}")
    config = json.loads(other.read("config.json"))
    assert (config["hostname"], config["mine"]) == ("kitchen", {"deep": 1})


def test_check_tells_place_and_remedy_and_ends_with_1(boot: Boot) -> None:
    assert resin("configure", boot.path, "--check").code == 0
    bad = "[connection]\nid=bad\ntype=wifi\nuuid=x\n[wifi]\nssid=a\nmode=ad-hoc\nspeed=9\n"
    boot.put({"system-connections/bad": bad})
    run = resin("configure", boot.path, "--check")
    assert run.code == 1
    assert "system-connections/bad:4: error" in run.out
    findings = json.loads(resin("configure", boot.path, "--check", "--json").out)["data"]["findings"]
    assert all(set(f) == {"code", "severity", "file", "line", "message", "remedy"} for f in findings)


def test_the_keys_are_listed_without_an_image() -> None:
    names = [row["name"] for row in resin("configure", "--keys", "--json").data["keys"]]
    assert {"hostname", "os.sshKeys", "installer.secureboot", "uuid", "wifiSsid"} <= set(names)
    assert "persistentLogging" in resin("configure", "--keys").out
    assert resin("configure").code == 2


def test_the_same_input_and_time_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("RESIN_WIFI_PASSPHRASE", SECRET)
    first = boot_image(tmp_path / "first", {"config.json": CONFIG})
    second = Boot(tmp_path / "second", first.offset, first.size)
    second.path.write_bytes(first.path.read_bytes())
    for boot in (first, second):
        assert resin("configure", boot.path, "--ssid", "home", "--hostname", "kitchen").code == 0
    assert first.digest() == second.digest()


# Secrets

EVERYTHING = """
[[wifi]]
ssid = "home"
passphrase-file = "secret"
[[wifi]]
ssid = "work"
security = "tls"
identity = "me"
client-cert = "cert.pem"
private-key = "key.pem"
private-key-password-file = "key-password"
[cellular]
apn = "internet"
password-file = "secret"
pin-file = "pin"
[hotspot]
ssid = "resin"
passphrase-file = "secret"
[proxy]
url-file = "proxy"
"""


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--json"],
        ["--dry-run"],
        ["--dry-run", "--json"],
        ["--debug"],
        ["--quiet"],
        ["--partition", "7", "--debug"],
    ],
    ids=" ".join,
)
def test_no_secret_is_in_any_output_or_argument(boot: Boot, more: list[str]) -> None:
    made = certificates.certificates()
    Path("cert.pem").write_bytes(made.certificates["pem"])
    Path("key.pem").write_bytes(made.keys["encrypted"])
    Path("key-password").write_text(certificates.PASSWORD)
    Path("proxy").write_text(f"http-connect://me:{SECRET}@10.0.0.1:3128\n")
    Path("all.toml").write_text(EVERYTHING)
    watched = """
import os, sys
def note(event, arguments):
    if event in ("subprocess.Popen", "os.exec", "os.system"):
        print(event, arguments, file=sys.stderr)
sys.addaudithook(note)
from resin_toolkit.cli import main as cli
sys.exit(cli.run(sys.argv[1:]))
"""
    words = ["configure", str(boot.path), "--from", "all.toml", *more]
    done = subprocess.run(
        [sys.executable, "-c", watched, *words],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    shown = [done.stdout, done.stderr]
    for look in (
        ["configure", "--show"],
        ["configure", "--check"],
        ["configure", "--show", "--toml"],
        ["image", "info"],
    ):
        for form in ([], ["--json"]):
            run = resin(*look, boot.path, *form)
            shown += [run.out, run.err]
    for text in shown:
        for secret in (SECRET, PIN, certificates.PASSWORD):
            assert secret not in text
    written = not ({"--dry-run", "--partition"} & set(more))
    assert (certificates.PASSWORD.encode() in boot.path.read_bytes()) is written
    given = {"card.img", "secret", "proxy", "pin", "key.pem", "key-password"}
    left = [path for path in Path().iterdir() if path.is_file() and path.name not in given]
    assert not [path for path in left if SECRET.encode() in path.read_bytes()]


def test_a_copy_with_secrets_is_readable_by_no_more_people_than_the_image(boot: Boot) -> None:
    boot.path.chmod(0o600)
    configured(boot, *WIFI, "--output", "copy.img")
    assert Path("copy.img").stat().st_mode & 0o077 == 0


# On a terminal


def test_a_network_that_the_workstation_sees_is_picked_by_its_number(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    nmcli = Path("bin/nmcli").absolute()
    nmcli.parent.mkdir()
    nmcli.write_text('#!/bin/sh\ncase "$*" in *SSID,SIGNAL*) printf "Attic:30\\nKitchen:80\\n" ;; esac\n')
    nmcli.chmod(0o755)
    monkeypatch.setenv("PATH", f"{nmcli.parent}:{os.environ['PATH']}")
    terminal = Terminal("configure", boot.path, "--wifi")
    terminal.until("1  Kitchen (80%)")
    terminal.until("(SSID), or its number")
    terminal.type("2\n")
    terminal.until("Passphrase")
    terminal.type(f"{SECRET}\n")
    terminal.until("'Attic'")
    terminal.until("[y/N]")
    terminal.type("n\n")
    assert terminal.end() == 4
    assert SECRET not in terminal.screen
    assert "system-connections" not in " ".join(boot.tree())
