"""`resin configure` as it is typed: what it writes into config.json, a second run, a rehearsal, a look."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import disk_images
from support.boot_images import Boot, boot_image, in_partition
from support.configured_images import (  # noqa: F401 - fixtures
    config_of,
    configured_boot,
    configured_secret_file,
    hides_the_secret,
    keyfile,
)
from support.disk_images import MIB
from support.resin_command import environment, program, resin

# what it writes


def test_host_name_and_logging(boot: Boot) -> None:
    run = resin("configure", boot.path, "--hostname", "kitchen", "--persistent-logging")
    assert run.code == 0, run.err
    assert config_of(boot) == {
        "deviceType": "raspberrypi3",
        "hostname": "kitchen",
        "persistentLogging": True,
    }
    assert "hostname" in run.out
    assert run.err == ""
    assert boot.complaints() == []
    assert resin("configure", boot.path, "--no-persistent-logging").code == 0
    assert config_of(boot)["persistentLogging"] is False


def test_set_unset_and_config(boot: Boot, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"country": "DE", "os": {"network": {"wifi": {"randomMacAddressScan": true}}}}')
    run = resin(
        "configure", boot.path, "--config", other, "--set", "ntpServers=a.org b.org",
        "--set", "os.network.connectivity.interval=60", "--unset", "deviceType",
    )  # fmt: skip
    assert run.code == 0, run.err
    network = {"wifi": {"randomMacAddressScan": True}, "connectivity": {"interval": "60"}}
    assert config_of(boot) == {
        "hostname": "old",
        "country": "DE",
        "os": {"network": network},
        "ntpServers": "a.org b.org",
    }


def test_an_image_without_config_json_gets_one(tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "image.img")
    assert resin("configure", boot.path, "--hostname", "kitchen").code == 0
    assert config_of(boot) == {"hostname": "kitchen"}


def test_a_number_is_not_the_truth_value_that_python_takes_it_for(tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "image.img", {"config.json": '{"mine": 1}'})
    assert resin("configure", boot.path, "--set", "mine=true").code == 0
    assert config_of(boot)["mine"] is True


def test_a_configuration_of_changing_length_20_times_in_a_row(boot: Boot) -> None:
    for round_ in range(20):
        text = "x" * (round_ * 977 % 9000)
        assert resin("configure", boot.path, "--set", f"mine={text}").code == 0
        assert config_of(boot)["mine"] == text
    assert boot.complaints() == []


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""])
def test_a_config_json_as_a_windows_editor_saves_it(tmp_path: Path, start: bytes) -> None:
    config = start + b'{\r\n  "hostname": "old",\r\n  "mine": 1\r\n}\r\n'
    boot = boot_image(tmp_path / "image.img", {"config.json": config})
    assert resin("configure", boot.path, "--hostname", "kitchen").code == 0
    assert config_of(boot) == {"hostname": "kitchen", "mine": 1}


def test_another_partition(tmp_path: Path) -> None:
    script = "label: dos\nstart=2048, size=8192, type=c\nstart=10240, size=8192, type=c\n"
    path = disk_images.partitioned(tmp_path / "image.img", 10 * MIB, script)
    first, second = (in_partition(path, n, "resin-boot", bits=12, cluster=1024) for n in (1, 2))
    ambiguous = resin("configure", path, "--hostname", "kitchen", "--json")
    assert (ambiguous.code, ambiguous.error["code"]) == (2, "partition-ambiguous")
    assert resin("configure", path, "--hostname", "kitchen", "--partition", "2").code == 0
    assert first.tree() == {}
    assert config_of(second) == {"hostname": "kitchen"}


# a second run, a rehearsal, a look


def test_the_second_run_writes_nothing(boot: Boot, secret_file: Path) -> None:
    words = (
        "configure",
        boot.path,
        "--hostname",
        "kitchen",
        "--ssid",
        "home",
        "--passphrase-file",
        secret_file,
    )
    assert resin(*words).code == 0
    before, status = boot.digest(), boot.path.stat()
    run = resin(*words, "--json")
    assert run.data["written"] is False
    assert run.data["changes"] == []
    assert boot.digest() == before
    assert boot.path.stat().st_mtime_ns == status.st_mtime_ns


def test_a_dry_run_writes_nothing(boot: Boot, secret_file: Path, tmp_path: Path) -> None:
    before = boot.digest()
    words = (
        "configure",
        boot.path,
        "--hostname",
        "kitchen",
        "--ssid",
        "home",
        "--passphrase-file",
        secret_file,
    )
    run = hides_the_secret(resin(*words, "--dry-run"))
    assert run.code == 0, run.err
    assert '"old" -> "kitchen"' in run.out
    assert "system-connections/home" in run.out
    assert resin(*words, "--dry-run", "--output", tmp_path / "copy.img").code == 0
    assert not (tmp_path / "copy.img").exists()
    assert boot.digest() == before


def test_show(boot: Boot, secret_file: Path) -> None:
    words = ("--ssid", "home", "--passphrase-file", secret_file, "--set", "apiKey=hush-hush-key")
    assert resin("configure", boot.path, *words).code == 0
    before = boot.digest()
    run = hides_the_secret(resin("configure", boot.path, "--show"))
    assert '"hostname": "old"' in run.out
    assert "wifi.ssid = home" in run.out
    shown = hides_the_secret(resin("configure", boot.path, "--show", "--json"))
    assert shown.data["config"]["deviceType"] == "raspberrypi3"
    assert shown.data["connections"][0]["ssid"] == "home"
    psk = keyfile(boot, "home")["wifi-security"]["psk"]
    for text in ("hush-hush-key", psk):
        assert text not in run.out + shown.out
    assert boot.digest() == before


@pytest.mark.parametrize("words", [["--hostname", "x"], ["--dry-run"], ["--output", "copy.img"]])
def test_show_goes_with_nothing_that_changes(boot: Boot, words: list[str]) -> None:
    assert resin("configure", boot.path, "--show", *words, "--json").error["code"] == "usage"


def test_control_characters_in_an_image_do_not_reach_the_terminal(tmp_path: Path) -> None:
    evil = "\x9b31m\x1b]0;title\x07\x7f"
    profile = f"[connection]\nid=a{evil}\ntype=wifi\n[wifi]\nssid=a{evil}\n"
    files = {"config.json": json.dumps({"hostname": f"a{evil}"}, ensure_ascii=False)}
    boot = boot_image(tmp_path / "image.img", {**files, "system-connections/a": profile})
    for words in (["--show"], ["--hostname", "kitchen"]):
        run = resin("configure", boot.path, *words)
        assert run.code == 0, run.err
        assert not set(run.out + run.err) & {chr(n) for n in (*range(10), *range(11, 32), *range(127, 160))}


# output


def test_warnings_are_in_the_json_too(boot: Boot) -> None:
    run = resin("configure", boot.path, "--set", "hostnam=x", "--json")
    assert run.err == ""
    (warning,) = run.data["warnings"]
    assert warning["code"] == "config-unknown-key"
    assert "hostname" in warning["message"]


def test_the_dates_are_those_of_source_date_epoch(boot: Boot) -> None:
    env = environment(SOURCE_DATE_EPOCH="1500000000", TZ="Asia/Tokyo")
    assert program("configure", boot.path, "--hostname", "kitchen", env=env).code == 0
    listed = resin("image", "ls", boot.path, "--json").data["entries"]
    assert {entry["name"]: entry["modified"] for entry in listed} == {"config.json": "2017-07-14T02:40:00"}
    bad = program("configure", boot.path, "--hostname", "a", "--json", env=environment(SOURCE_DATE_EPOCH="x"))
    assert bad.error["code"] == "bad-value"
