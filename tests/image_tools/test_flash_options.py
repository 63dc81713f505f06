"""What a flash leaves out, clears, probes and sets apart."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
from support import disk_images
from support.card_images import MIB, card_image, packed
from support.disk_images import run
from support.faulty_file import Fault, faulty_file
from support.file_systems import ext, ext_problems, files
from support.flash_runs import STALE, content, to_drive, to_file
from support.loop_devices import blank_loop, loop_device

from image_tools.flash import FlashJob, FlashOptions, flash, flow_control
from image_tools.flash.capacity import probe_capacity, stamp_offsets
from image_tools.flash.direct_io import aligned
from image_tools.flash.target import open_drive
from image_tools.source import open_source
from resin_toolkit.errors import IoFailed, VerifyFailed
from resin_toolkit.progress import SilentProgress


def image_with_ext(folder: Path, size: int = 24 * MIB, *options: str) -> Path:
    """A disk of one ext4 at 1 MiB, with files."""
    script = f"label: dos\nstart=2048, size={size // 512}, type=83\n"
    image = disk_images.partitioned(folder / "image.img", size + MIB, script)
    part = ext(folder / "ext.img", size, files(folder), *options)
    disk_images.poke(image, MIB, part.read_bytes())
    return image


def partition(device: str, folder: Path, size: int = 24 * MIB) -> Path:
    path = folder / "partition.img"
    path.write_bytes(content(device, size + MIB)[MIB:])
    return path


# what is left out, and what clears it


@pytest.mark.root
@pytest.mark.parametrize("kind", ["raw", "gz"])
def test_what_the_file_system_does_not_use_keeps_its_old_content(kind: str, tmp_path: Path) -> None:
    image = packed(kind, image_with_ext(tmp_path).read_bytes(), tmp_path)
    with blank_loop(tmp_path, 26 * MIB, fill=STALE) as device:
        done = to_drive(str(image), device)
        assert done.verified
        assert done.written < done.size - 8 * MIB
        written = partition(device, tmp_path)
    assert STALE * 65536 in written.read_bytes()
    assert ext_problems(written) == ""


@pytest.mark.root
@pytest.mark.parametrize("option", ["full", "discard"])
def test_full_and_discard_leave_nothing_of_what_was_there(option: str, tmp_path: Path) -> None:
    image = image_with_ext(tmp_path)
    with blank_loop(tmp_path, 26 * MIB, fill=STALE) as device:
        to_drive(str(image), device, **{option: True})
        found = content(device, 26 * MIB)
    assert found[: 25 * MIB] == image.read_bytes()
    if option == "discard":
        assert not any(found[25 * MIB :])


@pytest.mark.root
def test_a_drive_that_does_not_discard_is_found_out(tmp_path: Path) -> None:
    """This one's system says that it has discarded all, and nothing was."""
    image = image_with_ext(tmp_path)
    with (
        faulty_file(tmp_path, 26 * MIB, Fault.SLOW, 100 * MIB) as file,
        loop_device(file) as device,
        open_drive(device) as target,
        open_source(str(image)) as source,
    ):
        target.write(aligned(STALE * MIB, MIB), 16 * MIB)
        [outcome] = flash(source, [FlashJob(target)], SilentProgress(), FlashOptions(discard=True))
        assert outcome.verified
        assert not outcome.cleared
        assert "no-discard" in [notice.code for notice in target.notices]


@pytest.mark.root
def test_zeros_in_use_are_written(tmp_path: Path) -> None:
    """A file of zeros, in blocks that the file system counts as used, over a card full of something else."""
    folder = files(tmp_path, 2)
    (folder / "zeros").write_bytes(bytes(3 * MIB))
    image = disk_images.partitioned(tmp_path / "image.img", 25 * MIB, "label: dos\nstart=2048, type=83\n")
    part = tmp_path / "ext.img"
    disk_images.blank(part, 24 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", part)
    # Written block by block, so that they are no hole of the file.
    run("debugfs", "-w", "-R", f"write {folder / 'zeros'} zeros", part)
    run("debugfs", "-w", "-R", "fallocate zeros 0 767", part)
    run("debugfs", "-w", "-R", f"write {folder / 'file-0'} other", part)
    disk_images.poke(image, MIB, part.read_bytes())
    dense = tmp_path / "dense.img"
    dense.write_bytes(image.read_bytes())
    with blank_loop(tmp_path, 26 * MIB, fill=STALE) as device:
        to_drive(str(dense), device)
        written = partition(device, tmp_path)
    run("debugfs", "-R", f"dump zeros {tmp_path / 'out'}", written)
    assert (tmp_path / "out").read_bytes() == bytes(3 * MIB)
    assert ext_problems(written) == ""


@pytest.mark.root
def test_holes_of_a_sparse_image_are_left_out_where_nothing_can_be_in_use(tmp_path: Path) -> None:
    """In an empty partition, but neither between partitions nor in one that holds something unknown."""
    script = "label: dos\nstart=2048, size=16384, type=83\nstart=20480, size=16384, type=83\n"
    image = disk_images.partitioned(tmp_path / "image.img", 20 * MIB, script)
    disk_images.poke(image, MIB, b"something unknown")
    with blank_loop(tmp_path, 26 * MIB, fill=STALE) as device:
        to_drive(str(image), device)
        found = content(device, 20 * MIB)
        # Packed, the zeros are content: nothing tells that nobody uses them.
        to_drive(str(packed("gz", image.read_bytes(), tmp_path)), device)
        assert content(device, 20 * MIB) == image.read_bytes()
    assert found[: 10 * MIB] == image.read_bytes()[: 10 * MIB]
    assert found[12 * MIB : 16 * MIB] == STALE * (4 * MIB)
    assert not any(found[18 * MIB :])


def test_a_file_stays_sparse(tmp_path: Path) -> None:
    image = tmp_path / "image.img"
    image.write_bytes(card_image(2 * MIB))
    with image.open("r+b") as file:
        file.truncate(200 * MIB)
    for kind in ("raw", "gz"):
        source = image
        if kind == "gz":
            source = tmp_path / "image.gz"
            source.write_bytes(gzip.compress(image.read_bytes(), 1))
        goal = tmp_path / f"{kind}.img"
        assert to_file(str(source), goal).verified
        assert goal.stat().st_size == 200 * MIB
        assert goal.stat().st_blocks * 512 < 8 * MIB
        assert goal.read_bytes() == image.read_bytes()


# verity


@pytest.mark.root
def test_a_file_system_under_verity_is_written_whole(tmp_path: Path) -> None:
    """Its hash tree lies behind it and covers unused blocks too: nothing may be left out."""
    image = image_with_ext(tmp_path)
    part = tmp_path / "ext.img"
    run("veritysetup", "format", part, tmp_path / "tree.img")
    tree = (tmp_path / "tree.img").read_bytes()
    script = f"label: dos\nstart=2048, size={24 * 2048}, type=83\nsize={len(tree) // 512}, type=83\n"
    disk_images.partitioned(image, 26 * MIB + len(tree), script)
    rows = disk_images.sfdisk_rows(image)
    disk_images.poke(image, rows[0].start, part.read_bytes())
    disk_images.poke(image, rows[1].start, tree)
    dense = tmp_path / "dense.img"
    dense.write_bytes(image.read_bytes())
    for kind in ("raw", "gz"):
        with blank_loop(tmp_path, 32 * MIB, fill=STALE) as device:
            to_drive(str(packed(kind, dense.read_bytes(), tmp_path)), device)
            assert content(device, len(dense.read_bytes())) == dense.read_bytes()


# the drive's real size


@pytest.mark.root
@pytest.mark.parametrize("fault", [Fault.LIMIT, Fault.ONES, Fault.WRAP])
def test_a_drive_that_is_smaller_than_it_says_is_found_before_anything_is_written(
    fault: Fault, tmp_path: Path
) -> None:
    image = image_with_ext(tmp_path)
    with (
        faulty_file(tmp_path, 256 * MIB, fault, 64 * MIB) as file,
        loop_device(file) as device,
    ):
        with pytest.raises(VerifyFailed, match="has only about") as failure:
            to_drive(str(image), device, probe=True)
        assert not any(content(device, MIB)[4096:])
    facts = failure.value.facts
    assert facts["claimed"] == 256 * MIB
    assert facts["real"] == 64 * MIB


@pytest.mark.root
def test_a_drive_that_keeps_nothing_is_not_called_a_small_one(tmp_path: Path) -> None:
    image = image_with_ext(tmp_path)
    with (
        faulty_file(tmp_path, 64 * MIB, Fault.LIMIT, 0) as file,
        loop_device(file) as device,
        pytest.raises(VerifyFailed, match="does not keep data"),
    ):
        to_drive(str(image), device, probe=True)


@pytest.mark.root
def test_a_drive_that_is_as_large_as_it_says_passes(tmp_path: Path) -> None:
    image = image_with_ext(tmp_path)
    with blank_loop(tmp_path, 256 * MIB) as device:
        assert to_drive(str(image), device, probe=True).verified


@pytest.mark.root
def test_the_probe_tells_of_a_block_that_cannot_be_written(tmp_path: Path) -> None:
    with (
        faulty_file(tmp_path, 256 * MIB, Fault.READ_ERROR, 64 * MIB) as file,
        loop_device(file) as device,
        open_drive(device) as target,
        pytest.raises(IoFailed, match=f"byte {64 * MIB}"),
    ):
        probe_capacity(target, SilentProgress())


@pytest.mark.parametrize("size", [4096, 5000, MIB, 64 * 10**9, 10**12 + 512])
def test_the_stamps_reach_from_the_start_to_the_end(size: int) -> None:
    places = stamp_offsets(size)
    assert places == sorted(set(places))
    assert places[0] == 0
    assert size - 8192 < places[-1] + 4096 <= size
    assert all(later <= 2 * earlier for earlier, later in pairwise(places[1:]))
    assert len(places) < 60


# a drive that is far slower than the others


@pytest.mark.root
@pytest.mark.parametrize("kind", ["raw", "gz"])
def test_a_slow_drive_does_not_hold_up_the_others(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_control, "PATIENCE", 0.5)
    data = card_image(48 * MIB)
    image = packed(kind, data, tmp_path)

    with (
        faulty_file(tmp_path, 50 * MIB, Fault.SLOW, 2 * MIB) as file,
        loop_device(file) as slow,
        blank_loop(tmp_path, 50 * MIB) as fast,
        open_drive(slow) as one,
        open_drive(fast) as other,
        open_source(str(image)) as source,
    ):
        results = flash(source, [FlashJob(one), FlashJob(other)], SilentProgress())
        for outcome in results:
            assert outcome.error is None
            assert outcome.verified
        assert content(slow, 48 * MIB) == data
        assert content(fast, 48 * MIB) == data
    assert [n.code for n in one.notices if n.code == "set-apart"] == ["set-apart"]
    assert [n.code for n in other.notices if n.code == "set-apart"] == []
