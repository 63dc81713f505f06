"""Images as streams: each kind of packing, whole and damaged."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import threading
import time
import zipfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.card_images import KINDS, MIB, PACKERS, card_image, packed, zipped, zstd
from support.examples import examples
from support.loop_devices import run

from image_tools.source import ImageFormat, Source, open_source
from resin_toolkit.errors import BadValue, ImageDamaged, NotAnImage, PathNotFound, Usage

IMAGE = card_image(MIB + 300_700)
PACKED = tuple(kind for kind in KINDS if kind != "raw")


def read(source: Source, chunk: int = 300_001) -> bytes:
    parts = []
    buffer = memoryview(bytearray(chunk))
    while count := source.readinto(buffer):
        parts.append(bytes(buffer[:count]))
    return b"".join(parts)


def read_path(path: Path) -> bytes:
    with open_source(str(path)) as source:
        return read(source)


def write(folder: Path, data: bytes) -> Path:
    path = folder / "some.bin"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_told_by_content_and_read_whole(kind: str, tmp_path: Path) -> None:
    with open_source(str(packed(kind, IMAGE, tmp_path))) as source:
        assert source.format is ImageFormat(kind)
        assert read(source) == IMAGE


@pytest.mark.parametrize("kind", ["raw", "xz", "zst", "zip"])
def test_size_is_known_where_the_format_tells_it(kind: str, tmp_path: Path) -> None:
    with open_source(str(packed(kind, IMAGE, tmp_path))) as source:
        assert source.size == len(IMAGE)


@pytest.mark.parametrize("kind", ["gz", "bz2"])
def test_size_is_unknown_where_the_format_cannot_tell_it(kind: str, tmp_path: Path) -> None:
    path = packed(kind, IMAGE, tmp_path)
    with open_source(str(path)) as source:
        assert source.size is None
        read(source)
        assert source.consumed == source.stored_size == path.stat().st_size


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_cut_archive_is_damaged(kind: str, kept: float, tmp_path: Path) -> None:
    whole = packed(kind, IMAGE, tmp_path).read_bytes()
    with pytest.raises(ImageDamaged):
        read_path(write(tmp_path, whole[: int(len(whole) * kept)]))


@pytest.mark.parametrize("kind", PACKED)
def test_an_archive_that_lacks_only_its_last_byte_is_damaged(kind: str, tmp_path: Path) -> None:
    whole = packed(kind, IMAGE, tmp_path).read_bytes()
    with pytest.raises(ImageDamaged):
        read_path(write(tmp_path, whole[:-1]))


@pytest.mark.parametrize("kind", PACKED)
def test_a_flipped_bit_in_the_middle_is_damage(kind: str, tmp_path: Path) -> None:
    data = bytearray(packed(kind, IMAGE, tmp_path).read_bytes())
    data[len(data) // 2] ^= 0x10
    with pytest.raises(ImageDamaged):
        read_path(write(tmp_path, bytes(data)))


@pytest.mark.parametrize(("kind", "from_end"), [("gz", 6), ("xz", 30), ("bz2", 3), ("zst", 2)])
def test_a_wrong_checksum_is_damage(kind: str, from_end: int, tmp_path: Path) -> None:
    data = bytearray(PACKERS[kind](IMAGE))
    data[-from_end] ^= 1
    with pytest.raises(ImageDamaged):
        read_path(write(tmp_path, bytes(data)))


@pytest.mark.parametrize("kind", PACKERS)
def test_garbage_after_the_data_is_damage(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ImageDamaged, match="contains other data"):
        read_path(write(tmp_path, PACKERS[kind](IMAGE) + b"what is this?"))


@pytest.mark.parametrize("kind", PACKERS)
def test_members_one_after_the_other_are_one_image(kind: str, tmp_path: Path) -> None:
    cut = len(IMAGE) // 3
    pack = PACKERS[kind]
    with open_source(str(write(tmp_path, pack(IMAGE[:cut]) + pack(IMAGE[cut:])))) as source:
        assert source.size in (None, len(IMAGE))
        assert read(source) == IMAGE


@pytest.mark.parametrize("kind", PACKERS)
def test_damage_in_a_second_member_is_found(kind: str, tmp_path: Path) -> None:
    cut = len(IMAGE) // 3
    second = PACKERS[kind](IMAGE[cut:])
    with pytest.raises(ImageDamaged):
        read_path(write(tmp_path, PACKERS[kind](IMAGE[:cut]) + second[:-1]))


def test_xz_padding_is_skipped_and_counted(tmp_path: Path) -> None:
    cut = len(IMAGE) // 2
    data = lzma.compress(IMAGE[:cut]) + bytes(8) + lzma.compress(IMAGE[cut:]) + bytes(4)
    with open_source(str(write(tmp_path, data))) as source:
        assert source.size == len(IMAGE)
        assert read(source) == IMAGE


def test_xz_padding_that_is_not_a_multiple_of_four_is_damage(tmp_path: Path) -> None:
    with pytest.raises(ImageDamaged):
        read_path(write(tmp_path, lzma.compress(IMAGE) + bytes(3)))


def test_gzip_padding_of_zeros_is_skipped(tmp_path: Path) -> None:
    assert read_path(write(tmp_path, gzip.compress(IMAGE) + bytes(1000))) == IMAGE


@pytest.mark.parametrize("kind", ["gz", "xz"])
def test_much_padding_costs_little(kind: str, tmp_path: Path) -> None:
    """No more than to unpack sixteen times as many zeros that are packed."""
    packed_zeros, padded = tmp_path / "zeros", tmp_path / "padded"
    packed_zeros.write_bytes(PACKERS[kind](IMAGE + bytes(64 * MIB)))
    padded.write_bytes(PACKERS[kind](IMAGE) + bytes(4 * MIB))
    start = time.process_time()
    read_path(packed_zeros)
    middle = time.process_time()
    assert read_path(padded) == IMAGE
    assert time.process_time() - middle < middle - start


def test_zstd_skippable_frames_are_skipped(tmp_path: Path) -> None:
    note = b"\x5a\x2a\x4d\x18" + (70_000).to_bytes(4, "little") + bytes(70_000)
    with open_source(str(write(tmp_path, note + zstd(IMAGE) + note))) as source:
        assert source.size == len(IMAGE)
        assert read(source) == IMAGE


def test_zstd_without_a_checksum_is_read_and_said(tmp_path: Path) -> None:
    data = zstandard.ZstdCompressor(write_checksum=False).compress(IMAGE)
    with open_source(str(write(tmp_path, data))) as source:
        assert read(source) == IMAGE
        assert [notice.code for notice in source.notices] == ["no-checksum"]


def test_zstd_of_a_pipe_does_not_tell_its_size(tmp_path: Path) -> None:
    packer = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    data = packer.compress(IMAGE) + packer.flush()
    with open_source(str(write(tmp_path, data))) as source:
        assert source.size is None
        assert read(source) == IMAGE


@pytest.mark.parametrize("kind", ["zst", "gz", "xz", "bz2"])
def test_a_long_run_of_zeros_comes_in_bounded_pieces(kind: str, tmp_path: Path) -> None:
    image = IMAGE + bytes(48 * MIB)
    with open_source(str(write(tmp_path, PACKERS[kind](image)))) as source:
        largest = max(len(piece) for piece in source._chunks)
    assert largest <= MIB


@pytest.mark.parametrize("tool", ["zstd", "xz", "gzip", "bzip2"])
def test_what_the_usual_tools_write_is_read(tool: str, tmp_path: Path) -> None:
    path = write(tmp_path, IMAGE)
    run(tool, "-k", path)
    [made] = [entry for entry in tmp_path.iterdir() if entry != path]
    assert read_path(made) == IMAGE


@given(data=st.data(), chunk=st.integers(1, 70_000))
@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_size_in_any_chunks_through_any_packing(data: st.DataObject, chunk: int, tmp_path: Path) -> None:
    image = IMAGE[: data.draw(st.integers(512, 200_000))]
    kind = data.draw(st.sampled_from(KINDS))
    with open_source(str(packed(kind, image, tmp_path))) as source:
        assert read(source, chunk) == image


# zip


def test_a_zip_with_two_images_lists_them(tmp_path: Path) -> None:
    path = zipped(IMAGE, tmp_path / "two.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.img", IMAGE)
    with pytest.raises(Usage, match=r"card\.img, other\.img"):
        open_source(str(path))


def test_a_zip_with_one_image_and_notes_is_read(tmp_path: Path) -> None:
    path = zipped(IMAGE, tmp_path / "notes.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "how to use it")
        archive.writestr("__MACOSX/._card.img", "fork")
        archive.mkdir("folder")
    with open_source(str(path)) as source:
        assert source.entry == "card.img"
        assert read(source) == IMAGE


def test_an_empty_zip_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "empty.zip"
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(NotAnImage, match="contains no file"):
        open_source(str(path))


def test_an_encrypted_zip_is_an_error_that_says_so(tmp_path: Path) -> None:
    image = write(tmp_path, IMAGE)
    run("zip", "-q", "-j", "-P", "secret", tmp_path / "locked.zip", image)
    with pytest.raises(NotAnImage, match="encrypted"):
        open_source(str(tmp_path / "locked.zip"))


def test_a_zip_with_an_unknown_method_is_an_error(tmp_path: Path) -> None:
    path = zipped(IMAGE, tmp_path / "odd.zip")
    data = path.read_bytes().replace(b"\x08\x00", b"\x62\x00", 1)  # in the local header
    central = data.rfind(b"PK\x01\x02")
    path.write_bytes(data[: central + 10] + b"\x62\x00" + data[central + 12 :])
    with pytest.raises(NotAnImage, match="method"):
        open_source(str(path))


# what is no image


def test_an_empty_file_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="empty"):
        open_source(str(write(tmp_path, b"")))


@pytest.mark.parametrize("kind", KINDS)
def test_less_than_a_sector_is_no_image(kind: str, tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="511 bytes"):
        open_source(str(packed(kind, IMAGE[:511], tmp_path)))


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_no_image(kind: str, tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="neither a partition table"):
        open_source(str(packed(kind, b"<html>404 not found</html>" * 400, tmp_path)))


def test_a_file_system_without_a_table_is_an_image(tmp_path: Path) -> None:
    path = write(tmp_path, bytes(4 * MIB))
    run("mkfs.ext4", "-q", path)
    assert read_path(path) == path.read_bytes()


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound):
        open_source(str(tmp_path / "none.img"))
    with pytest.raises(BadValue):
        open_source(str(tmp_path))


# pipes


def piped(data: bytes) -> Source:
    """A source that reads what another thread writes into a pipe, in small pieces."""
    end, start = os.pipe()

    def feed() -> None:
        with open(start, "wb") as pipe:  # noqa: PTH123
            for place in range(0, len(data), 7001):
                try:
                    pipe.write(data[place : place + 7001])
                except BrokenPipeError:
                    return

    threading.Thread(target=feed).start()
    return Source(io.FileIO(end), "stdin", digest=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipe_is_read_like_a_file(kind: str, tmp_path: Path) -> None:
    data = packed(kind, IMAGE, tmp_path).read_bytes()
    with piped(data) as source:
        assert source.stored_size is None
        assert read(source) == IMAGE
        expected = None if kind == "raw" else hashlib.sha256(data).hexdigest()
        assert source.stored_sha256() == expected


@pytest.mark.parametrize("kind", PACKED)
def test_the_digest_of_the_file_itself(kind: str, tmp_path: Path) -> None:
    path = packed(kind, IMAGE, tmp_path)
    with open_source(str(path), digest=True) as source:
        read(source)
        assert source.stored_sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
