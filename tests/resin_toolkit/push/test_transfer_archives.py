"""Archives of images sent to a device: as engines of all ages write them, compressed, damaged, of several."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import posixpath
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from device.stand_in import StandIn
from support.engine_parts import connected, files_in, tar_of
from support.sent_images import MIB, Hearing, emptied, made, parts, shown, two_engines

from resin_toolkit.engine import Engine
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.workstation_engine import connect_workstation
from resin_toolkit.errors import BadValue, ImageDamaged, ResinError
from resin_toolkit.push.transfer.images import send_image

pytestmark = pytest.mark.root

SIZES = (4 * MIB, 300_000)
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, StandIn]]:
    with two_engines(tmp_path_factory.mktemp("home")) as engines:
        # Twice the same file makes two layers with the same content.
        made("cup:1", "stand-in", SIZES, more="COPY file1 /file1")
        yield engines


@pytest.fixture
def kitchen(both: tuple[StandIn, StandIn]) -> Iterator[StandIn]:
    yield both[0]
    emptied(both[0])


@pytest.fixture
def engine(kitchen: StandIn) -> Iterator[Engine]:
    with connected(kitchen, "tcp") as found:
        yield found


@pytest.fixture(scope="module")
def bench(both: tuple[StandIn, StandIn]) -> StandIn:
    return both[1]


@pytest.fixture(scope="module")
def archive(both: tuple[StandIn, StandIn]) -> bytes:  # noqa: ARG001 - it is saved by the second of them
    """What `docker save cup:1` writes."""
    return saved("cup:1")


def saved(*names: str) -> bytes:
    """As engines before Docker 25 write it: a folder for each layer, with links where one is there twice."""
    with connect_workstation() as local:
        written = local.client.get(local.client._url("/images/get"), params={"names": names}).content
    files = files_in(written)
    return written if "oci-layout" not in files else in_folders(files)


def in_folders(files: Files) -> bytes:
    manifest = json.loads(files["manifest.json"])
    content = io.BytesIO()
    there: dict[str, str] = {}
    with tarfile.open(fileobj=content, mode="w") as new:

        def add(name: str, data: bytes, link: str = "") -> None:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = (tarfile.SYMTYPE, link) if link else (tarfile.REGTYPE, "")
            entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))

        for number, image in enumerate(manifest):
            config, layers = files[image["Config"]], image["Layers"]
            image["Config"] = f"{hashlib.sha256(config).hexdigest()}.json"
            image["Layers"] = [f"{number}-{place}/layer.tar" for place in range(len(layers))]
            add(image["Config"], config)
            for old, name in zip(layers, image["Layers"], strict=True):
                is_again = old in there
                add(name, b"" if is_again else files[old], f"../{there[old]}" if is_again else "")
                there.setdefault(old, name)
        add("manifest.json", json.dumps(manifest).encode())
    return content.getvalue()


def parted(archive: bytes) -> tuple[bytes, list[bytes], str]:
    """The configuration, layers and name of the image in an archive, its links followed."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:

        def read(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

        [entry] = json.loads(read("manifest.json"))
        return read(entry["Config"]), [read(name) for name in entry["Layers"]], entry["RepoTags"][0]


def blob(files: Files, content: bytes, kind: str) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    files[f"blobs/sha256/{digest}"] = content
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def layout(archive: bytes, pack: Callable[[bytes], bytes] = bytes) -> Files:
    """The same as an OCI layout, its layers packed."""
    config, layers, name = parted(archive)
    files: Files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    kind = "application/vnd.oci.image."
    manifest = {
        "schemaVersion": 2,
        "config": blob(files, config, f"{kind}config.v1+json"),
        "layers": [blob(files, pack(layer), f"{kind}layer.v1.tar") for layer in layers],
    }
    entry = blob(files, json.dumps(manifest).encode(), f"{kind}manifest.v1+json")
    entry["annotations"] = {"io.containerd.image.name": f"docker.io/library/{name}"}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    return files


def as_docker_25_writes_it(archive: bytes) -> bytes:
    """An OCI layout with the manifest of older ones, its layers as they are."""
    files = layout(archive)
    config, layers, name = parted(archive)
    paths = [f"blobs/sha256/{hashlib.sha256(content).hexdigest()}" for content in (config, *layers)]
    files["manifest.json"] = json.dumps(
        [{"Config": paths[0], "RepoTags": [name], "Layers": paths[1:]}]
    ).encode()
    return tar_of(dict(sorted(files.items())))


def with_hard_links(archive: bytes) -> bytes:
    """Each layer is a link of the other kind, and names are as `tar --create .` makes them."""
    content = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=content, mode="w") as new:
        # A hard link comes after its file.
        for entry in sorted(old, key=lambda entry: entry.issym()):
            file = old.extractfile(entry) if entry.isfile() else None
            if entry.issym():
                entry.type = tarfile.LNKTYPE
                folder = posixpath.dirname(entry.name)
                entry.linkname = f"./{posixpath.normpath(posixpath.join(folder, entry.linkname))}"
            name, entry.name = entry.name, f"./{entry.name}"
            if file and name.endswith(".tar"):
                entry.name = f"./store/{name.replace('/', '-')}"
                new.addfile(entry, file)
                file, entry.type, entry.size = None, tarfile.LNKTYPE, 0
                entry.linkname, entry.name = entry.name, f"./{name}"
            new.addfile(entry, file)
    return content.getvalue()


def with_an_index_of_platforms(archive: bytes) -> bytes:
    """As buildx writes it: for two processors, and what attests to it."""
    config, layers, name = parted(archive)
    files: Files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    entries = []
    for architecture in ("amd64", "riscv64", "unknown"):
        own = json.dumps({**json.loads(config), "architecture": architecture}).encode()
        manifest = {
            "config": blob(files, config if architecture == "amd64" else own, ""),
            "layers": [blob(files, gzip.compress(layer, 1), "") for layer in layers],
        }
        entry = blob(files, json.dumps(manifest).encode(), "")
        entries.append({**entry, "platform": {"os": "linux", "architecture": architecture}})
    top = blob(files, json.dumps({"manifests": entries}).encode(), "application/vnd.oci.image.index.v1+json")
    top["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "1"}
    files["index.json"] = json.dumps({"manifests": [top]}).encode()
    return tar_of(files)


def zstandard_of(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(1).compress(data)


def in_two_members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half], 1) + gzip.compress(data[half:], 1)


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda archive: gzip.compress(archive, 1),
    "xz": lambda archive: lzma.compress(archive, preset=0),
    "zstd": zstandard_of,
    "bzip2": lambda archive: bz2.compress(archive, 1),
    "hard links": with_hard_links,
    "docker 25": as_docker_25_writes_it,
    "docker 25, gzip": lambda archive: gzip.compress(as_docker_25_writes_it(archive), 1),
    "layout": lambda archive: tar_of(layout(archive)),
    "layout of gzip": lambda archive: tar_of(layout(archive, in_two_members)),
    "layout of zstd": lambda archive: tar_of(layout(archive, zstandard_of)),
    "layout of zstd in xz": lambda archive: lzma.compress(tar_of(layout(archive, zstandard_of)), preset=0),
    "platforms": with_an_index_of_platforms,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_archive(
    engine: Engine, kitchen: StandIn, bench: StandIn, archive: bytes, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "cup.archive"
    path.write_bytes(KINDS[kind](archive))
    listener = Hearing()
    name = send_image(engine, str(path), listener, "main")
    assert name.removeprefix("docker.io/library/") == "cup:1"
    assert shown(kitchen, "cup:1") == shown(bench, "cup:1")
    assert listener.totals == [listener.sent]
    assert parts(kitchen) == []
    again = Hearing()
    assert send_image(engine, str(path), again, "main") == name
    assert again.totals == []


def test_the_test_has_links(archive: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert any(entry.issym() for entry in tar)


def test_only_missing_layers_are_sent(engine: Engine, archive: bytes, tmp_path: Path) -> None:
    send_image(engine, "stand-in", Hearing(), "main")
    for kind in ("plain", "gzip"):
        path = tmp_path / kind
        path.write_bytes(KINDS[kind](archive))
        listener = Hearing()
        send_image(engine, str(path), listener, "main")
        assert sum(SIZES) < listener.sent < sum(SIZES) + 350_000
        Images(engine).remove("cup:1")


def test_an_image_without_a_name(engine: Engine, kitchen: StandIn, bench: StandIn, tmp_path: Path) -> None:
    identity = bench.docker("image", "inspect", "--format", "{{.Id}}", "cup:1").strip()
    path = tmp_path / "cup.tar"
    path.write_bytes(saved(identity))
    assert send_image(engine, str(path), Hearing(), "main") == identity
    assert kitchen.docker("image", "ls", "--format", "{{.Repository}}").split() == ["<none>"]


def spoiled(files: Files) -> Files:
    """With another byte in the middle of the largest file."""
    name = max(files, key=lambda name: len(files[name]))
    data = files[name]
    half = len(data) // 2
    return {**files, name: data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]}


def without(files: Files, ending: str) -> Files:
    return {name: data for name, data in files.items() if not name.endswith(ending)}


def with_manifest(files: Files, text: bytes) -> Files:
    return {**files, "manifest.json": text}


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "a byte": lambda archive: tar_of(spoiled(files_in(with_hard_links(archive)))),
    "a byte in gzip": lambda archive: tar_of(spoiled(layout(archive, in_two_members))),
    "a byte in zstd": lambda archive: tar_of(spoiled(layout(archive, zstandard_of))),
    "a byte of a gzip archive": lambda archive: spoiled({"": gzip.compress(archive, 1)})[""],
    "an end": lambda archive: archive[: len(archive) // 2],
    "an end of gzip": lambda archive: gzip.compress(archive, 1)[: len(archive) // 2],
    "an end of zstd": lambda archive: zstandard_of(archive)[: len(archive) // 2],
    "no manifest": lambda archive: tar_of(without(files_in(archive), "manifest.json")),
    "no layers": lambda archive: tar_of(without(files_in(archive), "layer.tar")),
    "a manifest that is none": lambda archive: tar_of(with_manifest(files_in(archive), b"[" * 100_000)),
    "a manifest without layers": lambda archive: tar_of(
        with_manifest(files_in(archive), files_in(archive)["manifest.json"].replace(b'"Layers"', b'"Other"'))
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_archive(
    engine: Engine, kitchen: StandIn, archive: bytes, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "cup.tar"
    path.write_bytes(DAMAGED[what](archive))
    with pytest.raises(ImageDamaged) as caught:
        send_image(engine, str(path), Hearing(), "main")
    assert "cup.tar" in caught.value.message
    assert caught.value.hint
    assert kitchen.docker("image", "ls", "--quiet", "cup") == ""
    path.write_bytes(archive)
    assert send_image(engine, str(path), Hearing(), "main") == "cup:1"


def test_several_images(engine: Engine, kitchen: StandIn, tmp_path: Path) -> None:
    path = tmp_path / "both.tar"
    path.write_bytes(saved("cup:1", "stand-in:latest"))
    with pytest.raises(BadValue) as caught:
        send_image(engine, str(path), Hearing(), "main")
    assert "cup:1" in caught.value.message
    assert "stand-in:latest" in caught.value.message
    assert sorted(caught.value.facts["images"]) == ["cup:1", "stand-in:latest"]  # type: ignore[call-overload]
    assert kitchen.docker("image", "ls", "--quiet") == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive at all" * 100,
        gzip.compress(b"no archive", mtime=0),
        tar_of({}),
        tar_of({"manifest.json": b"[]"}),
    ],
)
def test_files_that_are_not_image_archives(engine: Engine, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words.tar"
    path.write_bytes(content)
    with pytest.raises(ResinError, match=r"words\.tar") as caught:
        send_image(engine, str(path), Hearing(), "main")
    assert isinstance(caught.value, BadValue | ImageDamaged)
