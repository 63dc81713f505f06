"""What `resin configure` refuses, with nothing changed; images in use, and drives."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest
from support.boot_images import Boot
from support.configured_images import config_of, configured_boot  # noqa: F401 - fixtures
from support.disk_images import MIB
from support.loop_devices import loop_device
from support.resin_command import PROGRAM, resin

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


@pytest.mark.root
def test_a_drive_is_configured_in_place(boot: Boot) -> None:
    with loop_device(boot.path) as device:
        run = resin("configure", device, "--hostname", "kitchen")
        assert run.code == 0, run.err
        assert resin("image", "cat", device, "/config.json", "--json").data["text"].count("kitchen") == 1
    assert config_of(boot)["hostname"] == "kitchen"
    assert boot.complaints() == []


@pytest.mark.root
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
