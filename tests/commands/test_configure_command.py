"""`resin configure` as it is typed: what it writes, what it refuses, and what it never shows."""

from __future__ import annotations

import bz2
import fcntl
import gzip
import json
import lzma
import os
import subprocess
from collections.abc import Callable
from configparser import RawConfigParser
from pathlib import Path

import disk_images
import pytest
from boot_images import SAMPLE, Boot, boot_image, in_partition
from card_images import zipped, zstd
from disk_images import MIB
from loop_devices import loop_device, needs_root
from resin_command import PROGRAM, Run, Terminal, environment, program, resin

SECRET = "never-to-be-seen-42"
CONFIG = json.dumps({"deviceType": "raspberrypi3", "hostname": "old"})


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    return boot_image(tmp_path / "image.img", {"config.json": CONFIG})


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "wifi.txt"
    path.write_text(SECRET + "\n")
    return path


def config_of(boot: Boot) -> dict[str, object]:
    config = json.loads(boot.read("config.json"))
    assert isinstance(config, dict)
    return config


def connections(boot: Boot) -> list[str]:
    prefix = "system-connections/"
    return sorted(path.removeprefix(prefix) for path in boot.tree() if path.startswith(prefix))


def keyfile(boot: Boot, name: str) -> dict[str, dict[str, str]]:
    parser = RawConfigParser(delimiters="=")
    parser.read_string(boot.read(f"system-connections/{name}").decode())
    return {section: dict(parser[section]) for section in parser.sections()}


def hides_the_secret(run: Run) -> Run:
    assert SECRET not in run.out + run.err
    return run


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


def test_a_configuration_of_changing_length_50_times_in_a_row(boot: Boot) -> None:
    for round_ in range(50):
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


# a copy


def compressed(kind: str, data: bytes, folder: Path) -> Path:
    packers: dict[str, Callable[[bytes], bytes]] = {
        "raw": bytes, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zst": zstd,
    }  # fmt: skip
    path = folder / f"download.{kind}"
    if kind == "zip":
        return zipped(data, path)
    path.write_bytes(packers[kind](data))
    return path


@pytest.mark.parametrize("kind", ["raw", "gz", "xz", "bz2", "zst", "zip"])
def test_a_copy_of_an_image_however_it_is_packed(boot: Boot, tmp_path: Path, kind: str) -> None:
    source = compressed(kind, boot.path.read_bytes(), tmp_path)
    before = source.read_bytes()
    run = resin("configure", source, "--hostname", "kitchen", "--output", tmp_path / "copy.img")
    assert run.code == 0, run.err
    copy = Boot(tmp_path / "copy.img", boot.offset, boot.size)
    assert config_of(copy)["hostname"] == "kitchen"
    assert copy.path.stat().st_size == boot.path.stat().st_size
    assert copy.complaints() == []
    assert source.read_bytes() == before


def test_a_compressed_image_needs_an_output(boot: Boot, tmp_path: Path) -> None:
    source = compressed("xz", boot.path.read_bytes(), tmp_path)
    before = source.read_bytes()
    run = resin("configure", source, "--hostname", "kitchen", "--json")
    assert (run.code, run.error["code"]) == (2, "usage")
    assert "--output" in run.error["hint"]
    assert source.read_bytes() == before


def test_an_output_that_exists_is_replaced_only_with_yes(boot: Boot, tmp_path: Path) -> None:
    copy = tmp_path / "copy.img"
    copy.write_bytes(b"precious")
    run = resin("configure", boot.path, "--hostname", "kitchen", "--output", copy, "--json")
    assert (run.code, run.error["code"]) == (4, "declined")
    assert copy.read_bytes() == b"precious"
    assert resin("configure", boot.path, "--hostname", "kitchen", "--output", copy, "--yes").code == 0
    assert config_of(Boot(copy, boot.offset, boot.size))["hostname"] == "kitchen"


def test_the_image_itself_is_no_output(boot: Boot, tmp_path: Path) -> None:
    link = tmp_path / "link.img"
    link.symlink_to(boot.path)
    before = boot.digest()
    for output in (boot.path, link):
        assert resin("configure", boot.path, "--hostname", "a", "--output", output, "--yes").code == 2
    assert boot.digest() == before


@pytest.mark.parametrize("damage", ["config", "option", "archive"])
def test_a_copy_that_fails_leaves_nothing_behind(tmp_path: Path, damage: str) -> None:
    config = "{broken" if damage == "config" else CONFIG
    boot = boot_image(tmp_path / "image.img", {"config.json": config})
    data = gzip.compress(boot.path.read_bytes())
    source = tmp_path / "download.gz"
    source.write_bytes(data[: len(data) // 2] if damage == "archive" else data)
    hostname = "not a name" if damage == "option" else "kitchen"
    files = sorted(tmp_path.iterdir())
    run = resin("configure", source, "--hostname", hostname, "--output", tmp_path / "copy.img")
    assert run.code == (2 if damage == "option" else 1)
    assert sorted(tmp_path.iterdir()) == files


def test_an_output_in_a_folder_that_is_missing(boot: Boot, tmp_path: Path) -> None:
    run = resin("configure", boot.path, "--hostname", "a", "--output", tmp_path / "no" / "copy.img", "--json")
    assert (run.code, run.error["code"]) == (3, "file-not-found")
    assert str(tmp_path / "no") in run.error["message"]
    assert ".partial" not in run.out


# what it refuses, with nothing changed


BAD = [
    (["--hostname", "not a name"], "bad-value"),
    (["--set", "noequals"], "usage"),
    (["--set", "persistentLogging=perhaps"], "bad-value"),
    (["--set", "hostname.below=x"], "bad-value"),
    (["--ssid", "x" * 33, "--security", "open"], "bad-value"),
    (["--ssid", "", "--security", "open"], "bad-value"),
    (["--ssid", "home"], "usage"),
    (["--wifi"], "usage"),
    (["--security", "open"], "usage"),
    (["--ssid", "home", "--security", "open", "--passphrase-file", "short.txt"], "usage"),
    (["--ssid", "home", "--passphrase-file", "short.txt"], "bad-value"),
    (["--ssid", "home", "--passphrase-file", "lines.txt"], "bad-value"),
    (["--ssid", "home", "--passphrase-file", "missing.txt"], "file-not-found"),
    (["--ssid", "home", "--passphrase-file", "."], "bad-value"),
    (["--config", "broken.json"], "bad-value"),
    (["--config", "missing.json"], "file-not-found"),
    (["--connection", "broken.json"], "config-invalid"),
    (["--partition", "9"], "partition-not-found"),
    (["--partition", "x"], "usage"),
    (["--security", "wep"], "usage"),
    (["--frobnicate"], "usage"),
    (["stray"], "usage"),
]


@pytest.mark.parametrize(("words", "code"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_one_bad_option_among_good_ones_changes_nothing(
    boot: Boot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("short.txt").write_text("tooshrt")
    Path("lines.txt").write_text("two\nlines of text\n")
    Path("broken.json").write_text("[1, 2")
    before = boot.digest()
    good = ["--set", "country=DE", "--persistent-logging"]
    run = resin("configure", boot.path, *good, *words, "--json")
    assert run.error["code"] == code, run.out
    assert run.error["message"].endswith((".", "?")), run.error
    assert run.error["hint"], run.error
    assert boot.digest() == before
    text = resin("configure", boot.path, *good, *words)
    assert text.code == run.code
    assert text.err.startswith("error: ")
    assert "\nhint: " in text.err
    assert "Traceback" not in text.err
    assert text.out == ""


def test_nothing_to_configure(boot: Boot) -> None:
    run = resin("configure", boot.path, "--json")
    assert (run.code, run.error["code"]) == (2, "usage")


def test_a_nearly_full_partition(boot: Boot) -> None:
    boot.put({"filler": bytes(5 * MIB + 950 * 1024)})
    before = boot.digest()
    run = resin("configure", boot.path, "--hostname", "kitchen", "--set", "mine=" + "x" * 100_000, "--json")
    assert (run.code, run.error["code"]) == (1, "no-space")
    assert boot.digest() == before
    rehearsed = resin("configure", boot.path, "--set", "mine=" + "x" * 100_000, "--dry-run", "--json")
    assert rehearsed.error["code"] == "no-space"


@pytest.mark.parametrize("words", [["--hostname", "kitchen"], ["--show"], ["--hostname", "a", "--dry-run"]])
def test_what_is_no_image(tmp_path: Path, words: list[str]) -> None:
    garbage, empty, pipe = tmp_path / "garbage", tmp_path / "empty", tmp_path / "pipe"
    garbage.write_bytes(b"garbage " * 100_000)
    empty.write_bytes(b"")
    os.mkfifo(pipe)
    expected = [
        (tmp_path / "missing.img", 3, "file-not-found"),
        (tmp_path, 2, "bad-value"),
        (garbage, 1, "not-an-image"),
        (empty, 1, "not-an-image"),
        (pipe, 2, "bad-value"),
        (Path("/dev/null"), 2, "bad-value"),
    ]
    for path, code, name in expected:
        run = resin("configure", path, *words, "--json")
        assert (run.code, run.error["code"]) == (code, name), path
        assert run.error["hint"]
    assert garbage.read_bytes() == b"garbage " * 100_000


def test_an_image_that_another_program_is_changing(boot: Boot) -> None:
    before = boot.digest()
    with boot.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        run = resin("configure", boot.path, "--hostname", "kitchen", "--json")
        assert (run.code, run.error["code"]) == (4, "refused")
    assert boot.digest() == before
    assert resin("configure", boot.path, "--hostname", "kitchen").code == 0


def test_many_runs_at_once_leave_a_sound_image(boot: Boot) -> None:
    words = [[PROGRAM, "configure", boot.path, "--set", f"mine{n}=" + "x" * 5000] for n in range(6)]
    runs = [subprocess.Popen(w, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for w in words]
    codes = [run.wait() for run in runs]
    assert set(codes) <= {0, 4}
    config = config_of(boot)
    assert [f"mine{n}" in config for n in range(6)] == [code == 0 for code in codes]
    assert 0 in codes
    assert boot.complaints() == []


# a drive that was flashed


@pytest.mark.skipif(needs_root(), reason="needs root, to make a loop device")
def test_a_drive_is_configured_in_place(boot: Boot) -> None:
    with loop_device(boot.path) as device:
        run = resin("configure", device, "--hostname", "kitchen")
        assert run.code == 0, run.err
        assert resin("image", "cat", device, "/config.json", "--json").data["text"].count("kitchen") == 1
    assert config_of(boot)["hostname"] == "kitchen"
    assert boot.complaints() == []


@pytest.mark.skipif(needs_root(), reason="needs root, to make a loop device")
def test_a_drive_that_is_read_only_or_in_use_is_refused(boot: Boot) -> None:
    before = boot.digest()
    with loop_device(boot.path, "--read-only") as device:
        run = resin("configure", device, "--hostname", "kitchen", "--json")
        assert (run.code, run.error["code"]) == (4, "refused")
        assert device in run.error["message"]
    with loop_device(boot.path) as device:
        holder = os.open(device, os.O_RDONLY | os.O_EXCL)
        try:
            run = resin("configure", device, "--hostname", "kitchen", "--json")
        finally:
            os.close(holder)
        assert (run.code, run.error["code"]) == (4, "refused")
    assert boot.digest() == before


# who is asked, and when


def test_nobody_is_asked_without_a_terminal(boot: Boot) -> None:
    for words in ([], ["--wifi"], ["--ssid", "home"]):
        run = program("configure", boot.path, *words, stdin=b"home\nsecretsecret\n")
        assert run.code == 2
        assert ": \n" not in run.err


def test_nobody_is_asked_with_no_input(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path, "--wifi", "--no-input")
    assert terminal.end() == 2
    assert "--ssid" in terminal.plain


def test_what_is_missing_is_asked_for_and_the_passphrase_is_not_echoed(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path, "--wifi")
    terminal.until("(SSID)")
    terminal.type("home\n")
    terminal.until("Passphrase")
    terminal.type("short\n")
    terminal.until("too short")
    terminal.until("Passphrase")
    assert SECRET not in terminal.command_line()
    terminal.type(f"{SECRET}\n")
    terminal.until("+ system-connections/home")
    terminal.until("[y/N]")
    terminal.type("y\n")
    assert terminal.end() == 0, terminal.screen
    assert SECRET not in terminal.screen
    assert "short\r\n" not in terminal.screen.partition("Passphrase")[2].partition("too short")[0]
    assert "wifi-security" in keyfile(boot, "home")


def test_a_passphrase_from_stdin_that_is_a_terminal_is_not_echoed(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path, "--ssid", "home", "--passphrase-file", "-")
    terminal.until("Passphrase")
    terminal.type(f"{SECRET}\n")
    terminal.until("[y/N]")
    terminal.type("y\n")
    assert terminal.end() == 0, terminal.screen
    assert SECRET not in terminal.screen
    assert "wifi-security" in keyfile(boot, "home")


def test_without_options_everything_is_asked_for(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path)
    for question, answer in (
        ("Host name [old]", "not a name"),
        ("Host name [old]", "kitchen"),
        ("Wi-Fi network", "home"),
        ("Keep logs", "yes"),
        ("Passphrase", SECRET),
        ("[y/N]", "y"),
    ):
        terminal.until(question)
        terminal.type(f"{answer}\n")
    assert terminal.end() == 0, terminal.screen
    assert config_of(boot)["hostname"] == "kitchen"
    assert config_of(boot)["persistentLogging"] is True
    assert connections(boot) == ["home"]
    assert SECRET not in terminal.screen


def test_a_no_at_the_end_changes_nothing(boot: Boot) -> None:
    before = boot.digest()
    terminal = Terminal("configure", boot.path)
    for question, answer in (("Host name", "kitchen"), ("Wi-Fi", ""), ("Keep logs", ""), ("[y/N]", "")):
        terminal.until(question)
        terminal.type(f"{answer}\n")
    assert terminal.end() == 4
    assert boot.digest() == before


@pytest.mark.parametrize("question", ["(SSID)", "Passphrase"])
def test_ctrl_c_during_a_question_changes_nothing(boot: Boot, question: str) -> None:
    before = boot.digest()
    ssid = [] if question == "(SSID)" else ["--ssid", "home"]
    terminal = Terminal("configure", boot.path, "--wifi", *ssid)
    terminal.until(question)
    terminal.interrupt()
    assert terminal.end() == 130
    assert "error: Interrupted; nothing was changed.\n" in terminal.plain
    assert "Traceback" not in terminal.plain
    assert boot.digest() == before


def test_the_end_of_the_input_is_no_answer(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path, "--wifi")
    terminal.until("(SSID)")
    terminal.type("\x04")
    assert terminal.end() == 4
    assert "error: " in terminal.plain


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


# output


def test_quiet_still_prints_results_and_warnings(boot: Boot, tmp_path: Path) -> None:
    source = compressed("gz", boot.path.read_bytes(), tmp_path)
    words = ("configure", source, "--set", "hostnam=x", "--output", tmp_path / "copy.img", "--yes")
    loud, quiet = program(*words), program(*words, "--quiet")
    assert "unpacking" in loud.err
    assert "unpacking" not in quiet.err
    assert quiet.out == loud.out
    assert "warning: " in quiet.err


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
