"""Files that are pipes: each is read once, by `configure` and by `flash`."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.boot_images import Boot, boot_image
from support.certificates import certificates
from support.config_cases import ED25519
from support.resin_command import PROGRAM, environment, resin

SECRET = "correct horse"
KEYFILE = "[connection]\nid=wired\ntype=ethernet\nuuid=6d9a1f4e-3f4a-4a9c-9d0e-0d4b6f0c1a2b\n"
ANSWERS = 'hostname = "piped"\n[ethernet]\nstatic = ["10.0.0.9/24"]\n'


@contextmanager
def piped(data: bytes) -> Iterator[int]:
    """The reading end of a pipe that carries `data`."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield reading
    finally:
        os.close(reading)
        thread.join()


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    return boot_image(tmp_path / "image.img", {"config.json": "{}"})


def run(command: str, boot: Boot, data: bytes, *words: str) -> Boot:
    """Run `configure` or `flash` with PIPE in `words` standing for a pipe of `data`."""
    result = boot.path.with_name("result.img")
    with piped(data) as pipe:
        given = [word.replace("PIPE", f"/dev/fd/{pipe}") for word in words]
        target = [str(result)] if command == "flash" else ["--output", str(result)]
        done = subprocess.run(
            [PROGRAM, command, boot.path, *target, "--yes", *given],
            pass_fds=[pipe],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
            env=environment(),
        )
    assert done.returncode == 0, done.stderr.decode()
    return Boot(result, boot.offset, boot.size)


@pytest.mark.parametrize("command", ["configure", "flash"])
def test_answers_come_from_a_pipe(boot: Boot, command: str) -> None:
    written = run(command, boot, ANSWERS.encode(), "--from", "PIPE")
    assert b'"hostname": "piped"' in written.read("config.json")
    assert b"10.0.0.9/24" in written.read("system-connections/ethernet")


@pytest.mark.parametrize("command", ["configure", "flash"])
def test_answers_come_from_stdin(boot: Boot, tmp_path: Path, command: str) -> None:
    result = tmp_path / "result.img"
    target = [result] if command == "flash" else ["--output", result]
    words = [PROGRAM, command, boot.path, *target, "--yes", "--from", "/dev/stdin"]
    done = subprocess.run(
        words, input=ANSWERS.encode(), capture_output=True, check=False, timeout=120, env=environment()
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b'"hostname": "piped"' in Boot(result, boot.offset, boot.size).read("config.json")


@pytest.mark.parametrize(
    ("words", "readers"),
    [
        (["flash", "-", "card.img", "--from", "/dev/stdin"], "the image and --from"),
        (["flash", "/dev/stdin", "card.img", "--hosts", "/dev/fd/0"], "the image and --hosts"),
        (
            ["flash", "-", "card.img", "--ssid", "Home", "--passphrase-file", "-"],
            "the image and --passphrase-file",
        ),
        (["verify", "-", "card.img", "--bmap", "/dev/stdin"], "the image and --bmap"),
        (
            ["configure", "image.img", "--ssid", "Home", "--passphrase-file", "-", "--from", "/dev/stdin"],
            "--passphrase-file and --from",
        ),
        (
            ["configure", "image.img", "--ssh-key", "/dev/stdin", "--ssh-key", "/dev/stdin"],
            "--ssh-key and --ssh-key",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_stdin_cannot_be_read_for_two_things(
    words: list[str], readers: str, boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(boot.path.parent)
    done = resin(*words)
    assert done.code == 2
    assert f"stdin cannot be read for both {readers}." in done.err
    assert not boot.path.with_name("card.img").exists()


def test_an_image_is_configured_in_place_from_a_pipe(boot: Boot) -> None:
    with piped(ANSWERS.encode()) as pipe:
        words = [PROGRAM, "configure", boot.path, "--from", f"/dev/fd/{pipe}"]
        subprocess.run(words, pass_fds=[pipe], check=True, timeout=120, env=environment())
    assert b'"hostname": "piped"' in boot.read("config.json")


CA = certificates().certificates["pem"].decode()
PEAP = ["--ssid", "Work", "--security", "peap", "--identity", "me", "--passphrase-file", "password"]


@pytest.mark.parametrize("command", ["configure", "flash"])
@pytest.mark.parametrize(
    ("data", "words", "part"),
    [
        ('{"country": "DE"}', ["--config", "PIPE"], '"DE"'),
        (f"ssh-ed25519 {ED25519} me", ["--ssh-key", "PIPE"], ED25519),
        (KEYFILE, ["--connection", "PIPE"], "id=wired"),
        (SECRET, ["--ssid", "Home", "--passphrase-file", "PIPE", "--plain-passphrase"], SECRET),
        (CA, [*PEAP, "--ca-cert", "PIPE"], CA),
    ],
    ids=["config", "ssh-key", "connection", "passphrase", "certificate"],
)
def test_a_file_that_an_option_names_may_be_a_pipe(
    boot: Boot, monkeypatch: pytest.MonkeyPatch, command: str, data: str, words: list[str], part: str
) -> None:
    monkeypatch.chdir(boot.path.parent)
    Path("password").write_text("a password")
    written = run(command, boot, data.encode(), *words)
    assert any(part.encode() in content for content in written.tree().values() if content is not None)


def test_the_hosts_of_cards_come_from_a_pipe(boot: Boot) -> None:
    written = run("flash", boot, b"hostname,address\nrow,10.0.0.7/24\n", "--hosts", "PIPE")
    assert b'"hostname": "row"' in written.read("config.json")
    assert b"10.0.0.7/24" in written.read("system-connections/ethernet")


def test_two_options_may_name_the_same_pipe(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(boot.path.parent)
    answers = "".join(
        f'[[wifi]]\nssid = "{name}"\nplain-passphrase = true\npassphrase-file = "PIPE"\n' for name in "ab"
    )
    with piped(SECRET.encode()) as pipe:
        Path("answers.toml").write_text(answers.replace("PIPE", f"/dev/fd/{pipe}"))
        words = [PROGRAM, "configure", boot.path, "--from", "answers.toml"]
        subprocess.run(words, pass_fds=[pipe], check=True, timeout=120, env=environment())
    assert sum(SECRET.encode() in content for content in boot.tree().values() if content) == 2
