"""Projects that are built on a real engine, and what lies in their images: the judge of a change."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from device.stand_in import StandIn

from resin_toolkit.engine import Engine
from resin_toolkit.engine.build import BuildOptions, build
from resin_toolkit.live.mapping.file_mapping import FileMapping, MappingInputs, make_mapping
from resin_toolkit.live.mapping.mapping_inputs import BaseImage
from resin_toolkit.project.context_walk import FileType
from resin_toolkit.project.dockerfile import parse_dockerfile

Tree = dict[str, str]
"""The files of a context: their contents; of a link `-> TARGET`."""
Look = tuple[str, int, int, int, str]
"""Of a file in an image: its type, mode, user, group, and content or target."""


@dataclass
class TreeContext:
    """A context that lies in memory."""

    tree: Tree = field(default_factory=dict)

    def kind(self, path: str) -> FileType | None:
        if path in self.tree:
            return FileType.LINK if self.tree[path].startswith("-> ") else FileType.FILE
        return FileType.FOLDER if any(name.startswith(f"{path}/") for name in self.tree) else None

    def entries(self) -> list[tuple[str, FileType]]:
        above = {name[:at] for name in self.tree for at, char in enumerate(name) if char == "/"}
        found = ((path, self.kind(path)) for path in sorted({*above, *self.tree}))
        return [(path, kind) for path, kind in found if kind]

    def is_archive(self, path: str) -> bool:
        return path.endswith((".tar", ".tar.gz"))


def context_tar(tree: Tree, dockerfile: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path, kind in TreeContext({**tree, "Dockerfile": dockerfile}).entries():
            entry = tarfile.TarInfo(path)
            entry.mode = 0o755 if kind is FileType.FOLDER else 0o640
            data = b""
            if kind is FileType.FOLDER:
                entry.type = tarfile.DIRTYPE
            elif kind is FileType.LINK:
                entry.type, entry.linkname = tarfile.SYMTYPE, tree[path].removeprefix("-> ")
            else:
                data = _content(path, tree.get(path, dockerfile))
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def _content(path: str, text: str) -> bytes:
    if not path.endswith(".tar"):
        return text.encode()
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        entry = tarfile.TarInfo("packed")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return inner.getvalue()


@dataclass
class Site:
    """A device's engine, where projects are built."""

    device: StandIn
    engine: Engine

    def built(self, dockerfile: str, tree: Tree, target: str = "", **args: str) -> dict[str, Look]:
        """What lies in the image, by absolute paths. Raises BuildFailed."""
        options = BuildOptions(network="host", target=target, args=args, tags=("live:1",))
        with build(self.engine, iter([context_tar(tree, dockerfile)]), options) as going:
            for _ in going:
                pass
        words = "i=$(docker create live:1 none) && docker export $i && docker rm $i >&2"
        done = subprocess.run(
            [*self.device.prefix, "sh", "-c", words], capture_output=True, check=True, timeout=60
        )
        found: dict[str, Look] = {}
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            # Engines before Docker 26 write the type of a file into its mode, too.
            for entry in archive:
                file = archive.extractfile(entry) if entry.isreg() else None
                text = file.read().decode("latin-1") if file else entry.linkname
                kind = entry.type.decode("latin-1")
                found[f"/{entry.name.strip('/')}"] = (kind, entry.mode & 0o7777, entry.uid, entry.gid, text)
        return found

    def base(self, reference: str) -> BaseImage | None:
        try:
            shown = self.device.docker("inspect", "--type", "image", reference)
        except (subprocess.CalledProcessError, AssertionError, RuntimeError):
            return None
        return BaseImage.of(json.loads(shown)[0]["Config"])

    def planned(
        self,
        dockerfile: str,
        context: TreeContext,
        image: Mapping[str, Look],
        target: str = "",
        **args: str,
    ) -> FileMapping:
        known = MappingInputs(context, self.base, is_folder=lambda path: _is_folder(image, path))
        return make_mapping(parse_dockerfile(dockerfile), known, target=target, build_args=args)


def _is_folder(image: Mapping[str, Look], path: str) -> bool:
    return path in image and image[path][0] == "5"


def difference(before: Mapping[str, Look], after: Mapping[str, Look]) -> dict[str, Look | None]:
    """What is other in the second image; None for what is gone."""
    changed: dict[str, Look | None] = {path: look for path, look in after.items() if before.get(path) != look}
    return changed | {path: None for path in before if path not in after}
