"""`resin emulate` with QEMU itself, which boots systems of a few dozen bytes."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.boot_images import boot_image
from support.disk_images import MIB
from support.emulated import (
    BIOS_SAYS,
    PI_SAYS,
    UEFI_SAYS,
    Guest,
    bios_image,
    board_json,
    children_of,
    emulated,
    pi_image,
    uefi_image,
)
from support.loop_devices import loop_device
from support.resin_command import PROGRAM, Terminal, environment, program, resin

ENGINE, SSH = 2377, 22222


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return bios_image(tmp_path / "a disk, with commas.img")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30.0
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# booting


def test_a_bios_boots_the_first_sector(image: Path) -> None:
    before = digest(image)
    with emulated(image, "--snapshot") as guest:
        guest.hears(BIOS_SAYS, type=b"r")
        guest.until("reset")
        guest.hears(BIOS_SAYS, type=b"x")
        done = guest.end()
    assert done.code == 0, done
    assert (done.data["machine"], done.data["snapshot"]) == ("a 64-bit PC", True)
    assert digest(image) == before


def test_a_raspberry_pi_boots_the_kernel_in_its_boot_partition(tmp_path: Path) -> None:
    image = pi_image(tmp_path / "pi.img")
    with emulated(image) as guest:
        assert "Raspberry Pi 3" in guest.started["machine"]
        guest.hears(PI_SAYS, type=b"x")
        assert guest.end().code == 0


def test_uefi_boots_its_boot_loader(tmp_path: Path) -> None:
    with emulated(uefi_image(tmp_path / "uefi.img"), "--snapshot") as guest:
        assert "UEFI" in guest.started["machine"]
        guest.hears(UEFI_SAYS, type=b"x")
        assert guest.end().code == 0


def test_a_compressed_image_needs_snapshot(image: Path, tmp_path: Path) -> None:
    packed = tmp_path / "disk.img.gz"
    packed.write_bytes(gzip.compress(image.read_bytes()))
    refused = resin("emulate", packed, "--json")
    assert (refused.code, refused.error["code"]) == (2, "usage")
    assert "--snapshot" in refused.error["hint"]
    with emulated(packed, "--snapshot") as guest:
        guest.hears(BIOS_SAYS, type=b"x")
        assert guest.end().code == 0


def test_a_card_whose_size_is_no_power_of_two_needs_snapshot(tmp_path: Path) -> None:
    image = pi_image(tmp_path / "pi.img")
    with image.open("r+b") as file:
        file.truncate(9 * MIB)
    refused = resin("emulate", image, "--json")
    assert (refused.code, refused.error["code"]) == (4, "refused")
    assert f"truncate --size={16 * MIB}" in refused.error["hint"]
    assert image.stat().st_size == 9 * MIB
    with emulated(image, "--snapshot") as guest:
        guest.hears(PI_SAYS, type=b"x")
        assert guest.end().code == 0


# ending


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_right_after_the_start_shuts_the_system_down(image: Path, name: str) -> None:
    with emulated(image, "--snapshot") as guest:
        guest.process.send_signal(signal.Signals[name])
        guest.until("powering-off")
        guest.hears(BIOS_SAYS, type=b"x")
        done = guest.end()
    assert (done.code, done.error["message"]) == (130, "The machine was shut down.")


def test_a_signal_asks_the_system_and_a_second_one_cuts_the_power(image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    with emulated(image, env=environment(TMPDIR=str(folder))) as guest:
        emulators = guest.emulators
        guest.hears(BIOS_SAYS)
        guest.process.send_signal(signal.SIGTERM)
        guest.until("powering-off")
        guest.interrupt()
        done = guest.end()
    assert (done.code, done.error["code"]) == (130, "interrupted")
    assert "not yet written to disk is lost" in done.error["message"]
    assert not any(Path(f"/proc/{number}").exists() for number in emulators)
    assert list(folder.iterdir()) == []


def test_qemu_is_killed_with_resin(image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    with emulated(image, "--snapshot", env=environment(TMPDIR=str(folder))) as guest:
        [emulator] = guest.emulators
        [watcher] = children_of(emulator)
        guest.hears(BIOS_SAYS)
        guest.process.kill()
        guest.process.wait()
        wait_for(lambda: not is_running(emulator) and not is_running(watcher))
    assert list(folder.iterdir()) == []


def is_running(process: int) -> bool:
    """Whether it has not exited; it may be a zombie for a while."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_qemu_that_is_killed_is_an_error(image: Path) -> None:
    with emulated(image, "--snapshot") as guest:
        [emulator] = guest.emulators
        os.kill(emulator, signal.SIGKILL)
        done = guest.end()
    assert (done.code, done.error["code"]) == (1, "emulator-failed")
    assert "SIGKILL" in done.error["message"]


# images and ports in use


def test_an_emulated_image_cannot_be_changed_by_others(image: Path) -> None:
    with emulated(image) as guest:
        refused = [resin("emulate", image, *words, "--json") for words in ([], ["--snapshot"])]
        refused.append(resin("image", "put", image, __file__, "--json"))
        guest.hears(BIOS_SAYS, type=b"x")
        assert guest.end().code == 0
    assert [run.code for run in refused] == [4, 4, 4]
    with emulated(image, "--snapshot") as first, emulated(image, "--snapshot") as second:
        refused = [resin(*words) for words in (["emulate", image], ["image", "put", image, __file__])]
        assert [run.code for run in refused] == [4, 4], refused
        for guest in (first, second):
            guest.hears(BIOS_SAYS, type=b"x")
            assert guest.end().code == 0


def test_an_image_in_use_by_qemu_or_a_loop_device_is_refused(image: Path) -> None:
    other = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-S", "-monitor", "stdio", "-drive"]
    drive = f"if=ide,format=raw,file={str(image).replace(',', ',,')}"
    with subprocess.Popen([*other, drive], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        refused = resin("emulate", image, "--no-kvm", "--json")
        holder.kill()
    assert (refused.code, refused.error["code"]) == (4, "refused")
    assert "Another program" in refused.error["message"]
    with loop_device(image) as loop:
        refused = resin("emulate", image, "--json")
    assert refused.code == 4
    assert loop in refused.error["message"]


def test_writing_to_a_drive_is_confirmed(image: Path) -> None:
    with loop_device(image) as loop:
        declined = resin("emulate", loop, "--json")
        assert (declined.code, declined.error["code"]) == (4, "declined")
        assert f"The system on {loop} will write to it." in declined.error["message"]
        for words in (["--yes"], ["--snapshot"]):
            with emulated(loop, *words) as guest:
                guest.hears(BIOS_SAYS, type=b"x")
                assert guest.end().code == 0


@pytest.fixture
def taken() -> Iterator[int]:
    """The ports of the engine and of SSH, and another one, listened at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        held = []
        for port in (ENGINE, SSH):
            try:
                held.append(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
        yield free.getsockname()[1]
        for each in held:
            each.close()


def test_used_and_published_ports(image: Path, taken: int) -> None:
    refused = resin("emulate", image, "--publish", f"{taken}:80", "--json")
    assert (refused.code, refused.error["code"]) == (4, "refused")
    assert resin("emulate", image, "--publish", "80:x").code == 2
    with emulated(image, "--snapshot", "--publish", f"{taken}", "--publish", "8080") as guest:
        ports = [guest.started["ssh_port"], guest.started["engine_ports"][0]]
        published = guest.started["published"]
        assert not {ENGINE, SSH, taken} & {*ports, *published.values()}
        assert list(published) == [str(taken), "8080"]
        listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
        [emulator] = guest.emulators
        own = {line.split()[3] for line in listening.splitlines() if f"pid={emulator}," in line}
        assert own == {
            f"127.0.0.1:{port}" for port in (*ports, guest.started["engine_ports"][1], *published.values())
        }
        guest.hears(BIOS_SAYS, type=b"x")
        assert guest.end().code == 0


def test_resin_console_reaches_the_serial_port(image: Path) -> None:
    with emulated(image, "--snapshot") as guest:
        terminal = Terminal("console", guest.started["console"])
        terminal.until(BIOS_SAYS.decode())
        terminal.type("x")
        assert guest.end().code == 0
        assert terminal.end() == 1
    assert "was disconnected" in terminal.screen


@pytest.mark.usefixtures("taken")
def test_text_output(image: Path) -> None:
    run = [str(PROGRAM), "emulate", str(image), "--snapshot", "--no-kvm"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        guest = Guest(process)  # type: ignore[arg-type]
        guest.started = {"console": lines[4].split()[-1]}
        guest.hears(BIOS_SAYS, type=b"x")
        rest = process.stdout.read()
        guest.close()
    assert lines[0].startswith(
        f"{image} runs in QEMU on a 64-bit PC (BIOS), without KVM; writes are discarded."
    )
    assert "resin push localhost:" in lines[1]
    assert "--ssh-port" in lines[1]
    assert "resin ssh localhost --ssh-port" in lines[3]
    assert rest.startswith("The machine powered off after")
    assert process.returncode == 0


# what cannot be emulated


def test_an_unsupported_board_is_refused(tmp_path: Path) -> None:
    board = boot_image(tmp_path / "a.img", {"device-type.json": board_json("beaglebone-black", "armv7hf")})
    refused = resin("emulate", board.path, "--json")
    assert (refused.code, refused.error["code"]) == (1, "not-supported")
    assert "BeagleBone Black" in refused.error["message"]
    assert "Raspberry Pi" in refused.error["hint"]


def test_an_image_that_is_not_bootable_is_refused(tmp_path: Path) -> None:
    pc = boot_image(tmp_path / "pc.img", {"device-type.json": board_json("intel-nuc", "amd64")}).path
    told = resin("emulate", pc, "--json").error
    assert "--kernel" in told["hint"]
    board = boot_image(
        tmp_path / "pi.img", {"device-type.json": board_json("raspberrypi3-64", "aarch64")}
    ).path
    assert "kernel8.img" in resin("emulate", board, "--json").error["message"]
    damaged = tmp_path / "damaged.img"
    damaged.write_bytes(b"\x07" * MIB)
    assert resin("emulate", damaged, "--json").error["code"] == "not-an-image"
    assert resin("emulate", tmp_path / "none.img").code == 3


def test_a_missing_qemu_is_reported(image: Path, tmp_path: Path) -> None:
    told = program("emulate", image, "--json", env=environment(PATH=str(tmp_path)))
    assert (told.code, told.error["code"]) == (3, "program-not-found")
    assert "qemu-system-x86" in told.error["hint"]


def test_an_invalid_kernel_is_reported_with_the_message_of_qemu(image: Path, tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.touch()
    told = resin("emulate", image, "--snapshot", "--no-kvm", "--kernel", kernel, "--json")
    assert (told.code, told.error["code"]) == (1, "emulator-failed"), told
    assert "\n" not in told.error["message"]
