"""One image on several targets: each one's fate, host names, addresses, receipts; edits in the same pass."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import disk_images
from support.boot_images import Boot, boot_image, in_partition
from support.card_images import MIB, packed
from support.faulty_file import Fault, faulty_file
from support.flash_runs import content
from support.loop_devices import blank_loop, loop_device, small_file_system
from support.resin_command import Run, program, resin

from image_tools.fat import FatFileSystem

SIZE = 8 * MIB
CONFIG = json.dumps({"deviceType": "raspberrypi3", "hostname": "old"})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = boot_image(tmp_path / "image.img", {"config.json": CONFIG}).path
    disk_images.poke(path, 7 * MIB + 4096, os.urandom(MIB // 2))
    return path


@contextmanager
def drives(folder: Path, count: int, size: int = SIZE + MIB) -> Iterator[list[str]]:
    with ExitStack() as stack:
        found = []
        for number in range(count):
            (folder / f"drive-{number}").mkdir()
            found.append(stack.enter_context(blank_loop(folder / f"drive-{number}", size)))
        yield found


def boot_of(path: str | Path) -> Boot:
    return Boot(Path(path), MIB, 6 * MIB)


def config_of(path: str | Path) -> dict[str, object]:
    found = json.loads(boot_of(path).read("config.json"))
    assert isinstance(found, dict)
    return found


def last(run: Run) -> Any:
    """The envelope, which comes after the events."""
    return json.loads(run.out.splitlines()[-1])


# several drives


@pytest.mark.root
@pytest.mark.parametrize("kind", ["raw", "gz"])
def test_every_drive_gets_the_whole_image(kind: str, image: Path, tmp_path: Path) -> None:
    source = packed(kind, image.read_bytes(), tmp_path)
    with drives(tmp_path, 3) as devices:
        run = program("flash", source, *devices, "--yes", "--allow-fixed", "--full")
        assert run.code == 0, run.err
        for device in devices:
            assert Path(device).read_bytes()[:SIZE] == image.read_bytes()
            assert f"to {device}" in run.out
    assert run.out.count("every byte is right") == 3


@pytest.mark.root
@pytest.mark.parametrize("fault", [Fault.FLIP, Fault.READ_ERROR])
def test_one_bad_drive_does_not_stop_the_others(fault: Fault, image: Path, tmp_path: Path) -> None:
    at = 7 * MIB + 5000
    receipt = tmp_path / "receipt.json"
    with (
        drives(tmp_path, 2) as [one, other],
        faulty_file(tmp_path, SIZE + MIB, fault, at) as file,
        loop_device(file) as bad,
    ):
        words = ("flash", image, one, bad, other, "--yes", "--allow-fixed", "--json", "--receipt", receipt)
        run = program(*words)
        for device in (one, other):
            assert Path(device).read_bytes()[:SIZE] == image.read_bytes()
        assert not any(content(bad, MIB))
    assert run.code == (5 if fault is Fault.FLIP else 1)
    end = last(run)
    code = "verify-failed" if fault is Fault.FLIP else "io-error"
    assert (end["ok"], end["error"]["code"]) == (False, code)
    fates = {fate["target"]: fate for fate in end["data"]["targets"]}
    assert {target: fate["ok"] for target, fate in fates.items()} == {one: True, bad: False, other: True}
    assert "does not hold a usable image" in fates[bad]["error"]["message"]
    written = json.loads(receipt.read_text())
    assert written["targets"] == end["data"]["targets"]
    assert written["sha256"] == disk_images.run("sha256sum", image).split()[0]


@pytest.mark.root
def test_the_result_for_a_person_names_each_fate(image: Path, tmp_path: Path) -> None:
    with (
        drives(tmp_path, 1) as [good],
        faulty_file(tmp_path, SIZE + MIB, Fault.FLIP, 7 * MIB + 5000) as file,
        loop_device(file) as bad,
    ):
        run = program("flash", image, bad, good, "--yes", "--allow-fixed")
    assert run.code == 5
    assert f"{bad}: failed: " in run.out
    assert f"to {good}" in run.out
    assert "1 of 2 targets failed" in run.err


@pytest.mark.root
def test_a_drive_that_is_refused_keeps_all_from_being_written(image: Path, tmp_path: Path) -> None:
    with drives(tmp_path, 1) as [good], blank_loop(tmp_path, 5 * MIB) as small:
        run = program("flash", image, good, small, "--yes", "--allow-fixed")
        assert not any(Path(good).read_bytes())
    assert run.code == 4
    assert "too small" in run.err


def test_a_target_that_is_named_twice_is_wrong_usage(image: Path, tmp_path: Path) -> None:
    goal = tmp_path / "card.img"
    run = resin("flash", image, goal, tmp_path / "." / "card.img")
    assert run.code == 2
    assert "named twice" in run.err
    assert not goal.exists()


def test_files_and_what_is_shown_of_a_receipt(image: Path, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"
    receipt.write_text("old")
    run = resin("flash", image, tmp_path / "a.img", tmp_path / "b.img", "--receipt", receipt)
    assert run.code == 0, run.err
    found = json.loads(receipt.read_text())
    assert (found["bytes"], found["verified"]) == (SIZE, True)
    assert [fate["drive"] for fate in found["targets"]] == [None, None]
    assert found["started"] <= found["finished"]


@pytest.mark.root
def test_a_receipt_names_the_drive(image: Path, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.json"
    with drives(tmp_path, 1) as [device]:
        assert program("flash", image, device, "--yes", "--allow-fixed", "--receipt", receipt).code == 0
    [fate] = json.loads(receipt.read_text())["targets"]
    assert fate["drive"]["size"] == SIZE + MIB
    assert set(fate["drive"]) == {"vendor", "model", "serial", "size"}


def test_a_receipt_does_not_replace_the_image_a_target_or_a_device(image: Path, tmp_path: Path) -> None:
    goal, pipe, before = tmp_path / "a.img", tmp_path / "pipe", image.read_bytes()
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(image)
    for receipt in (image, link, goal, pipe):
        run = resin("flash", image, goal, "--receipt", receipt)
        assert (run.code, receipt.name in run.err) == (2, True), run
    assert image.read_bytes() == before
    assert pipe.is_fifo()
    assert not goal.exists()


@pytest.mark.root
def test_without_room_for_the_receipt_the_drive_still_holds_the_image(image: Path, tmp_path: Path) -> None:
    goal = tmp_path / "a.img"
    with small_file_system(tmp_path, 4 * MIB) as full:
        for _ in range(2):
            with contextlib.suppress(OSError), (full / "fill").open("ab", buffering=0) as file:
                while True:
                    file.write(bytes(1024))
            # ext4 gives back some of what it reserved once the data is on the disk.
            os.sync()
        words = ("flash", image, goal, "--yes", "--receipt", full / "receipt.json")
        told, data = resin(*words), last(resin(*words, "--json"))
    assert goal.read_bytes() == image.read_bytes()
    assert told.code == 1
    assert f"to {goal}" in told.out
    assert "only the receipt is missing" in told.err
    assert data["error"]["code"] == "no-space"
    assert data["data"]["targets"][0]["verified"]


def test_a_receipt_that_cannot_be_written_is_known_before(image: Path, tmp_path: Path) -> None:
    run = resin("flash", image, tmp_path / "a.img", "--receipt", tmp_path / "none" / "receipt.json")
    assert run.code == 3
    assert not (tmp_path / "a.img").exists()


# host names and addresses


def test_n_in_the_host_name_counts(image: Path, tmp_path: Path) -> None:
    goals = [tmp_path / f"{number}.img" for number in (1, 2, 3)]
    run = resin("flash", image, *goals, "--hostname", "lab-{n}", "--json")
    assert run.code == 0, run.err
    assert [config_of(goal)["hostname"] for goal in goals] == ["lab-1", "lab-2", "lab-3"]
    assert [fate["hostname"] for fate in last(run)["data"]["targets"]] == ["lab-1", "lab-2", "lab-3"]
    assert config_of(image)["hostname"] == "old"
    for goal in goals:
        assert boot_of(goal).complaints() == []
        assert goal.read_bytes()[7 * MIB :] == image.read_bytes()[7 * MIB :]


def test_the_same_host_name_for_all_is_refused(image: Path, tmp_path: Path) -> None:
    run = resin("flash", image, tmp_path / "a.img", tmp_path / "b.img", "--hostname", "lab")
    assert run.code == 2
    assert "{n}" in run.err
    assert not (tmp_path / "a.img").exists()


def hosts(folder: Path, text: str) -> Path:
    path = folder / "hosts.csv"
    path.write_text(text)
    return path


def test_a_file_of_hosts_names_each_card_and_its_address(image: Path, tmp_path: Path) -> None:
    table = hosts(
        tmp_path, "hostname,address,gateway\nhall,192.168.7.21/24,192.168.7.1\nattic,192.168.7.22/24,\n"
    )
    goals = [tmp_path / "a.img", tmp_path / "b.img"]
    run = resin("flash", image, *goals, "--hosts", table)
    assert run.code == 0, run.err
    assert [config_of(goal)["hostname"] for goal in goals] == ["hall", "attic"]
    profiles = [boot_of(goal).read("system-connections/ethernet").decode() for goal in goals]
    assert "192.168.7.21/24" in profiles[0]
    assert "192.168.7.1" in profiles[0]
    assert "192.168.7.22/24" in profiles[1]
    assert "gateway" not in profiles[1]


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("hostname\nhall\n", 2, "has 1 hosts for 2 targets"),
        ("name\nhall\nattic\n", 2, "is not a valid header"),
        ("hostname,address\nhall\nattic\n", 2, "line 2"),
        ("hostname,address\n,192.168.7.2/24\nattic,\n", 2, "host name is missing"),
        ("hostname,gateway\nhall,192.168.7.1\nattic,\n", 2, "requires an address"),
        ("hostname\nhall\nhall\n", 2, "would be used for more than one card"),
        ("hostname\nhall\nHALL\n", 2, "would be used for more than one card"),
        ("hostname,address\na,10.0.0.2/24\nb,10.0.0.2/8\n", 2, "address 10.0.0.2 would be used"),
        ("hostname,hostname\na,b\nc,d\n", 2, "is not a valid header"),
        ("hostname\nhall\nno good\n", 2, "no good"),
        ("hostname,address\nhall,192.168.7.300/24\nattic,\n", 2, "192.168.7.300"),
    ],
)
def test_a_file_of_hosts_that_is_wrong(text: str, code: int, told: str, image: Path, tmp_path: Path) -> None:
    run = resin("flash", image, tmp_path / "a.img", tmp_path / "b.img", "--hosts", hosts(tmp_path, text))
    assert (run.code, told in run.err) == (code, True), run.err
    assert not (tmp_path / "a.img").exists()


def test_a_file_of_hosts_that_is_missing(image: Path, tmp_path: Path) -> None:
    assert resin("flash", image, tmp_path / "a.img", "--hosts", tmp_path / "none.csv").code == 3


# configured in the same pass


@pytest.mark.parametrize("kind", ["raw", "gz", "xz", "zip"])
def test_the_edit_is_what_configure_makes_and_nothing_else_changes(
    kind: str, image: Path, tmp_path: Path
) -> None:
    source = packed(kind, image.read_bytes(), tmp_path)
    words = ("--hostname", "shed", "--persistent-logging")
    run = resin("flash", source, tmp_path / "card.img", *words)
    assert run.code == 0, run.err
    shutil.copy(image, tmp_path / "configured.img")
    assert resin("configure", tmp_path / "configured.img", *words).code == 0
    card, configured = boot_of(tmp_path / "card.img"), boot_of(tmp_path / "configured.img")
    assert card.tree() == configured.tree()
    assert card.complaints() == []
    assert card.path.read_bytes()[7 * MIB :] == image.read_bytes()[7 * MIB :]
    assert "hostname" in run.out


@pytest.mark.root
def test_a_bit_that_is_wrong_in_what_was_configured_is_found(image: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.img"
    assert resin("flash", image, card, "--hostname", "shed").code == 0
    at = card.read_bytes().index(b'"hostname": "shed"')
    with faulty_file(tmp_path, SIZE + MIB, Fault.FLIP, at) as file, loop_device(file) as device:
        run = program("flash", image, device, "--yes", "--allow-fixed", "--hostname", "shed")
    assert run.code == 5
    assert f"at byte {at}" in run.err


TWO_BOOTS = "label: dos\nstart=2048, size=12288, type=c, bootable\nstart=14336, size=12288, type=c\n"


def two_boots(path: Path) -> Path:
    """An image in which two partitions could be the boot partition, the second one far behind."""
    disk_images.partitioned(path, 16 * MIB, TWO_BOOTS)
    for number in (1, 2):
        in_partition(path, number, "resin-boot", cluster=1024).put({"config.json": CONFIG})
    return path


@pytest.mark.parametrize("kind", ["raw", "gz"])
def test_an_ambiguous_boot_partition_leaves_no_system(kind: str, tmp_path: Path) -> None:
    source = packed(kind, two_boots(tmp_path / "two.img").read_bytes(), tmp_path)
    goal = tmp_path / "card.img"
    run = resin("flash", source, goal, "--hostname", "shed")
    assert run.code == 2, run.err
    assert "--partition" in run.err
    assert not goal.exists()
    assert resin("flash", source, goal, "--hostname", "shed", "--partition", "2").code == 0
    assert json.loads(Boot(goal, 7 * MIB, 6 * MIB).read("config.json"))["hostname"] == "shed"
    assert config_of(goal)["hostname"] == "old"


@pytest.mark.parametrize("kind", ["raw", "xz"])
def test_a_full_boot_partition_is_known_before_anything_is_written(kind: str, tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "full.img", {"config.json": CONFIG})
    with boot.path.open("rb") as file:
        free = FatFileSystem.open(file, boot.offset, boot.size).free_bytes()
    boot.put({"fill": bytes(free)})
    source = packed(kind, boot.path.read_bytes(), tmp_path)
    goal = tmp_path / "card.img"
    goal.write_bytes(b"precious")
    run = resin(
        "flash", source, goal, "--yes", "--hosts", hosts(tmp_path, "hostname,address\na,10.0.0.2/24\n")
    )
    assert run.code == 1, run.err
    assert goal.read_bytes() == b"precious"
    assert "full" in run.err or "no room" in run.err, run.err


def test_an_image_without_a_boot_partition_is_not_configured(tmp_path: Path) -> None:
    plain = disk_images.partitioned(tmp_path / "plain.img", 8 * MIB, "label: dos\nstart=2048, type=83\n")
    run = resin("flash", plain, tmp_path / "card.img", "--hostname", "shed")
    assert run.code != 0
    assert "boot partition" in run.err
    assert not (tmp_path / "card.img").exists()
