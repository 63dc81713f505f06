"""The network profiles that `resin configure` writes, the samples that go, and passphrases, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import disk_images
from support.boot_images import SAMPLE, Boot, boot_image
from support.configured_images import (  # noqa: F401 - fixtures
    CONFIG,
    SECRET,
    configured_boot,
    configured_secret_file,
    connections,
    hides_the_secret,
    keyfile,
)
from support.resin_command import environment, program, resin

# what it writes


def test_wifi_from_a_passphrase_file(boot: Boot, secret_file: Path) -> None:
    run = hides_the_secret(
        resin("configure", boot.path, "--wifi", "--ssid", "Home", "--passphrase-file", secret_file)
    )
    assert run.code == 0, run.err
    (name,) = connections(boot)
    sections = keyfile(boot, name)
    assert sections["wifi"] == {"mode": "infrastructure", "ssid": "Home"}
    assert sections["wifi-security"]["key-mgmt"] == "wpa-psk"
    assert boot.complaints() == []


def test_hidden_and_open_networks(boot: Boot, secret_file: Path) -> None:
    words = ("configure", boot.path, "--ssid", "hall", "--hidden", "--passphrase-file", secret_file)
    assert resin(*words).code == 0
    assert resin("configure", boot.path, "--ssid", "cafe", "--security", "open").code == 0
    assert connections(boot) == ["cafe", "hall"]
    assert keyfile(boot, "hall")["wifi"]["hidden"] == "true"
    assert "wifi-security" not in keyfile(boot, "cafe")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_passphrase_on_stdin(boot: Boot, ending: str) -> None:
    run = hides_the_secret(
        program(
            "configure",
            boot.path,
            "--ssid",
            "home",
            "--passphrase-file",
            "-",
            stdin=(SECRET + ending).encode(),
        )
    )
    assert run.code == 0, run.err
    assert connections(boot) == ["home"]


def test_the_passphrase_in_the_environment(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESIN_WIFI_PASSPHRASE", SECRET)
    assert hides_the_secret(resin("configure", boot.path, "--ssid", "home")).code == 0
    assert "wifi-security" in keyfile(boot, "home")


def test_every_way_to_give_a_passphrase_gives_the_same_file(
    boot: Boot, secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resin("configure", boot.path, "--ssid", "home", "--passphrase-file", secret_file).code == 0
    before = boot.digest()
    monkeypatch.setenv("RESIN_WIFI_PASSPHRASE", SECRET)
    assert "nothing was written" in resin("configure", boot.path, "--ssid", "home").out
    assert boot.digest() == before


def test_a_ready_keyfile(boot: Boot, tmp_path: Path) -> None:
    ready = tmp_path / "office"
    ready.write_text("[connection]\nid=office\ntype=ethernet\n[ipv4]\nmethod=auto\n")
    assert resin("configure", boot.path, "--connection", ready).code == 0
    assert keyfile(boot, "office")["connection"]["type"] == "ethernet"


def test_two_keyfiles_of_one_name_are_refused(boot: Boot, tmp_path: Path) -> None:
    words: list[str | Path] = ["configure", boot.path]
    for folder, name in (("a", "office"), ("b", "OFFICE")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(f"[connection]\nid={folder}\ntype=ethernet\n")
        words += ["--connection", tmp_path / folder / name]
    before = boot.digest()
    run = resin(*words, "--json")
    assert (run.code, run.error["code"]) == (2, "bad-value")
    assert boot.digest() == before


def test_the_active_sample_goes_and_others_stay(tmp_path: Path, secret_file: Path) -> None:
    files = {
        "config.json": CONFIG,
        "system-connections/resin-sample": SAMPLE,
        "system-connections/resin-sample.ignore": SAMPLE,
        "system-connections/mine": SAMPLE.replace("My_Wifi_Ssid", "Mine").replace("resin-sample", "mine"),
    }
    boot = boot_image(tmp_path / "image.img", files)
    run = resin("configure", boot.path, "--ssid", "home", "--passphrase-file", secret_file)
    assert run.code == 0, run.err
    assert connections(boot) == ["home", "mine", "resin-sample.ignore"]
    assert "system-connections/resin-sample (sample)" in run.out
    assert boot.complaints() == []


def test_300_profiles_that_are_there_stay(tmp_path: Path, secret_file: Path) -> None:
    files = {
        f"system-connections/profile number {n}": f"[connection]\nid={n}\ntype=ethernet\n" for n in range(300)
    }
    boot = boot_image(tmp_path / "image.img", {"config.json": CONFIG})
    source = tmp_path / "system-connections"
    source.mkdir()
    for path, text in files.items():
        (tmp_path / path).write_text(text)
    disk_images.run("mcopy", "-s", "-i", boot.fat.mtools_name, source, "::/")
    run = resin("configure", boot.path, "--ssid", "home", "--passphrase-file", secret_file)
    assert run.code == 0, run.err
    tree = boot.tree()
    assert len(connections(boot)) == 301
    assert all(tree[path] == text.encode() for path, text in files.items())
    assert boot.complaints() == []


# secrets


def test_the_passphrase_shows_up_nowhere(boot: Boot, tmp_path: Path, secret_file: Path) -> None:
    with_control = tmp_path / "control.txt"
    with_control.write_text(f"{SECRET}\x01")
    with_lines = tmp_path / "lines.txt"
    with_lines.write_text(f"{SECRET}\n{SECRET}\n")
    runs = 0
    for file in (secret_file, with_control, with_lines):
        for extra in (
            [],
            ["--dry-run"],
            ["--partition", "9"],
            ["--set", "hostname=no name"],
            ["--unset", "none"],
        ):
            for form in ([], ["--json"], ["--debug"], ["--json", "--debug"]):
                words = ("--ssid", "home", "--passphrase-file", file, *extra, *form)
                hides_the_secret(resin("configure", boot.path, *words))
                runs += 1
    assert runs == 60
    env = environment(RESIN_WIFI_PASSPHRASE=f"{SECRET}\x01", RESIN_DEBUG="1")
    run = hides_the_secret(program("configure", boot.path, "--ssid", "home", env=env))
    assert run.code == 2
    assert "Traceback" in run.err
    garbage = tmp_path / "garbage.img"
    garbage.write_bytes(b"x" * 4096)
    env = environment(RESIN_WIFI_PASSPHRASE=SECRET)
    assert hides_the_secret(program("configure", garbage, "--ssid", "a", "--debug", env=env)).code == 1
    assert boot.path.read_bytes().find(SECRET.encode()) == -1
