"""Image archives that ask for very much memory or time: the reader refuses each, within bounds."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.card_images import MIB
from support.hostile_files import (
    EMPTY_PARTS,
    GIB,
    of_empty_parts,
    tar_header,
    xz_with_dictionary,
    zstd_with_window,
)
from support.resin_command import PATIENCE

from resin_toolkit.errors import MemoryLimitExceeded
from resin_toolkit.push.transfer.archive import Archive

MOST = 300 * MIB
_READ = """
import sys
from resin_toolkit.errors import ResinError
from resin_toolkit.push.transfer.archive import Archive

try:
    with open(sys.argv[1], "rb") as file:
        Archive(file, "archive")
    print("read")
except ResinError as error:
    print(error.code, error.message)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
DIGEST = "0" * 64


def archive(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def bomb(kind: bytes) -> bytes:
    """A packed archive whose first header goes on for 1 GiB, of which 32 MiB are there."""
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", compresslevel=1) as packed:
        packed.write(tar_header("p", GIB, kind))
        for _ in range(32):
            packed.write(b"a" * MIB)
    return made.getvalue()


def endless_sparse_map() -> bytes:
    header = bytearray(tar_header("s", 0, tarfile.GNUTYPE_SPARSE))
    header[482] = 1
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    block = (b"00000000001\0" * 42 + b"\1").ljust(512, b"\0")
    return gzip.compress(bytes(header) + block * 100_000, 1)


def lists_itself() -> bytes:
    index = json.dumps({"manifests": [{"digest": f"sha256:{DIGEST}"}] * 20_000}).encode()
    return archive({"index.json": index, f"blobs/sha256/{DIGEST}": index})


def one_configuration_many_times() -> bytes:
    manifest = [{"Config": "config", "Layers": [], "RepoTags": ["a:1"]}] * 50_000
    config = b'{"rootfs": {"diff_ids": []}}'
    return archive({"manifest.json": json.dumps(manifest).encode(), "config": config.ljust(3 * MIB)})


_HEADERS = "image-damaged The image archive archive is damaged: the headers of a file are longer than"
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "30,000 files": (
        lambda: b"".join(tar_header(str(n), 0, b"0") for n in range(30_000)),
        "image-damaged The image archive archive is damaged: it has more than 20000 files.",
    ),
    "a PAX header of 1 GiB": (lambda: bomb(tarfile.XHDTYPE), _HEADERS),
    "a global header of 1 GiB": (lambda: bomb(tarfile.XGLTYPE), _HEADERS),
    "a name of 1 GiB": (lambda: bomb(tarfile.GNUTYPE_LONGNAME), _HEADERS),
    "headers within headers": (lambda: tar_header("p", 0, tarfile.XHDTYPE) * 5000, "bad-value"),
    "a sparse map without end": (endless_sparse_map, "image-damaged"),
    "an index that lists itself": (lists_itself, "image-damaged"),
    "a configuration that is used 50,000 times": (one_configuration_many_times, "image-damaged"),
    "120 MB of manifests": (
        lambda: archive({str(n): b"{".ljust(3_900_000) + b"}" for n in range(31)}),
        "image-damaged The image archive archive is damaged: its manifests have more than 32 MiB.",
    ),
    "JSON of 4,000,000 brackets": (lambda: archive({"manifest.json": b"[" * 4_000_000}), "image-damaged"),
    **{
        f"{kind} of empty parts": (lambda kind=kind: of_empty_parts(kind, 100_000), "bad-value")  # type: ignore[misc]
        for kind in EMPTY_PARTS
    },
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_refused_within_bounds(what: str, tmp_path: Path) -> None:
    build, expected = HOSTILE[what]
    (tmp_path / "archive").write_bytes(build())
    done = subprocess.run(
        [sys.executable, "-c", _READ, tmp_path / "archive"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    said, peak = done.stdout.splitlines()
    assert said.startswith(expected)
    assert int(peak) * 1024 < MOST


@pytest.mark.parametrize(
    ("packed", "need"), [(xz_with_dictionary(3 * GIB), "3.0 GiB"), (zstd_with_window(31), "2.0 GiB")]
)
def test_a_large_window_needs_a_higher_limit(packed: bytes, need: str) -> None:
    with pytest.raises(
        MemoryLimitExceeded, match=f"archive .* needs {need} of memory, and the limit is 512 MiB"
    ):
        Archive(io.BytesIO(packed), "archive")


def test_a_higher_limit_reads_a_large_dictionary() -> None:
    manifest = json.dumps([{"Config": "config", "Layers": [], "RepoTags": ["a:1"]}]).encode()
    files = {"manifest.json": manifest, "config": b'{"rootfs": {"diff_ids": []}}'}
    packed = xz_with_dictionary(3 * GIB, archive(files))
    [image] = Archive(io.BytesIO(packed), "archive", 3 * GIB).images
    assert image.tags == ("a:1",)
