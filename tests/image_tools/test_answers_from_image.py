from __future__ import annotations

from pathlib import Path

import pytest
from support import certificates
from support.boot_images import Boot, boot_image

from image_tools.answers import Answers, SecretReference
from image_tools.answers.from_image import answers_from_image
from image_tools.answers.reader import read_answers
from image_tools.answers.writer import write_answers
from image_tools.boot_partition import open_boot
from image_tools.profiles import (
    Addressing,
    Attachment,
    Band,
    CellularProfile,
    Enterprise,
    EthernetProfile,
    HotspotProfile,
    Phase2,
    Profile,
    Security,
    WifiProfile,
)
from image_tools.proxy import ProxyUrl, no_proxy, redsocks_conf

SECRET = "Marked-s3cret-0f-all"
STATIC = Addressing(("10.0.0.7/24", "fd00::7/64"), ("10.0.0.1",), ("10.0.0.2",), route_metric=7)


def read_back(boot: Boot) -> tuple[Answers, list[str]]:
    """The answers of an image, by way of their text, and the codes of what was told."""
    with boot.path.open("rb") as file:
        answers, notices = answers_from_image(open_boot(file).filesystem)
    text = write_answers(answers)
    assert SECRET not in text
    assert SECRET not in str(notices)
    again = read_answers(text.encode(), "answers", Path.cwd())
    assert [wifi.ssid for wifi in again.wifi] == [wifi.ssid for wifi in answers.wifi]
    return answers, [notice.code for notice in notices]


def image_with(folder: Path, *profiles: Profile) -> Boot:
    files = {f"system-connections/{name}": data for profile in profiles for name, data in profile.files()}
    return boot_image(folder / "image", {"config.json": "{}", **files})


@pytest.mark.parametrize(
    "profile",
    [
        WifiProfile(b"home", SECRET),
        WifiProfile(b"home", SECRET, hidden=True, priority=4, id="other name", addressing=STATIC),
        WifiProfile(b"home", SECRET, security=Security.SAE),
        WifiProfile(b"home", SECRET, plain_passphrase=True),
        WifiProfile(b"\xff\x00 odd"),
    ],
    ids=repr,
)
def test_wifi_comes_back_as_it_was(tmp_path: Path, profile: WifiProfile) -> None:
    answers, told = read_back(image_with(tmp_path, profile))
    [wifi] = answers.wifi
    assert told == []
    assert (wifi.ssid, bool(wifi.hidden), wifi.priority, wifi.id) == (
        profile.ssid,
        profile.hidden,
        profile.priority,
        profile.id,
    )
    assert wifi.passphrase == (
        SecretReference(variable="RESIN_WIFI_PASSPHRASE") if profile.passphrase else None
    )
    assert (wifi.static, wifi.gateway, wifi.dns) == (
        profile.addressing.static,
        profile.addressing.gateway,
        profile.addressing.dns,
    )
    security = wifi.security or Security.WPA_PSK
    assert security == profile.effective_security
    assert bool(wifi.plain_passphrase) == profile.plain_passphrase


def test_a_company_comes_back_with_the_names_of_its_files(tmp_path: Path) -> None:
    made = certificates.certificates()
    ca = Attachment("ca.crt", made.certificates["pem"])
    peap = Enterprise("me", password=SECRET, anonymous_identity="anyone", ca_cert=ca)
    pap = Enterprise("me", password=SECRET, phase2=Phase2.PAP)
    boot = image_with(
        tmp_path,
        WifiProfile(b"work", security=Security.PEAP, enterprise=peap),
        WifiProfile(b"lab", security=Security.TTLS, enterprise=pap),
    )
    answers, told = read_back(boot)
    work, lab = answers.wifi
    assert told == []
    assert (work.security, work.identity, work.anonymous_identity) == ("peap", "me", "anyone")
    assert f"system-connections/{work.ca_cert}" in boot.tree()
    assert (lab.security, lab.phase2) == ("ttls", "pap")
    assert work.password != lab.password


def test_the_other_kinds_come_back(tmp_path: Path) -> None:
    boot = image_with(
        tmp_path,
        EthernetProfile(addressing=STATIC, priority=2),
        CellularProfile("internet", username="u", password=SECRET, pin="1234"),
        HotspotProfile(b"resin", SECRET, band=Band("bg"), channel=6),
    )
    answers, told = read_back(boot)
    assert told == []
    assert answers.ethernet is not None
    assert (answers.ethernet.static, answers.ethernet.priority) == (STATIC.static, 2)
    assert answers.cellular is not None
    assert (answers.cellular.apn, answers.cellular.username) == ("internet", "u")
    assert answers.hotspot is not None
    assert (answers.hotspot.ssid, answers.hotspot.channel) == (b"resin", 6)


def test_what_no_answer_can_say_is_named(tmp_path: Path) -> None:
    wired = "[connection]\nid=eth\ntype=ethernet\n[ethernet]\nmtu=1400\n[ipv4]\nmethod=auto\n"
    tunnel = f"[connection]\nid=wg\ntype=wireguard\n[wireguard]\nprivate-key={SECRET}\n"
    files = {
        "system-connections/eth": wired,
        "system-connections/wg": tunnel,
        "system-connections/x.ignore": "x",
    }
    answers, told = read_back(boot_image(tmp_path / "image", {"config.json": "{}", **files}))
    assert answers.connections == (Path("eth"), Path("wg"))
    assert told == ["answers-connection"] * 2
    assert answers.ethernet is None


def test_config_json_without_what_belongs_to_one_device(tmp_path: Path) -> None:
    config = f'{{"hostname": "a", "persistentLogging": true, "apiKey": "{SECRET}", "mine": {{"b": 1}}}}'
    answers, told = read_back(boot_image(tmp_path / "image", {"config.json": config}))
    assert (answers.hostname, answers.persistent_logging, answers.config) == ("a", True, {"mine": {"b": 1}})
    assert told == ["answers-cloud-keys"]


@pytest.mark.parametrize(("login", "url"), [("", "socks5://10.0.0.1:1080"), (f"me:{SECRET}@", None)])
def test_a_proxy_with_a_password_becomes_a_reference(tmp_path: Path, login: str, url: str | None) -> None:
    conf = redsocks_conf(ProxyUrl.parse(f"socks5://{login}10.0.0.1:1080"))
    files = {"system-proxy/redsocks.conf": conf, "system-proxy/no_proxy": no_proxy(["10.0.0.0/8"])}
    answers, _ = read_back(boot_image(tmp_path / "image", {"config.json": "{}", **files}))
    assert answers.proxy is not None
    assert answers.proxy.url == (url or SecretReference(variable="RESIN_PROXY"))
    assert answers.proxy.no_proxy == ("10.0.0.0/8",)
