"""A Dockerfile and a project, and what is said of a file that was saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resin_toolkit.live.mapping.actions import FileAction, FileChange, NoAction, Rebuild, Restart, Sync
from resin_toolkit.live.mapping.file_mapping import FileMapping, MappingInputs, make_mapping
from resin_toolkit.live.mapping.mapping_inputs import BaseImage
from resin_toolkit.project import dev_directives
from resin_toolkit.project.application import WatchRule
from resin_toolkit.project.dockerfile import parse_dockerfile
from support.live_builds import TreeContext

CHANGED, DELETED = FileChange.CHANGED, FileChange.DELETED
FOLDERS = ("/", "/usr", "/usr/src", "/etc", "/app", "/srv")
"""In the image that was built."""
PROJECT = (
    *("package.json", "package-lock.json", "index.js", "lib/a.js", "lib/deep/b.js", "public/index.html"),
    *("conf/app.conf", "bundle.tar.gz", "main.go", "src/Main.java", "requirements.txt", "app/main.py"),
)


def base_of(reference: str) -> BaseImage | None:
    if reference == "mystery":
        return None
    if reference.endswith("-onbuild"):
        return BaseImage({}, "", ("COPY package.json /usr/src/app/", "RUN npm i", "COPY . /usr/src/app/"))
    return BaseImage({"HOME": "/root", "WHERE": "/from/base"}, "/based", (), ("/var/lib/db",))


def planned(
    text: str,
    files: Sequence[str] = PROJECT,
    *,
    target: str = "",
    watch: Sequence[WatchRule] = (),
    mounts: tuple[str, ...] = (),
    **args: str,
) -> FileMapping:
    found = dev_directives.parse_dev_directives(text)
    known = MappingInputs(
        TreeContext(dict.fromkeys(files, "")),
        base_of,
        is_folder=FOLDERS.__contains__,
        mounts=mounts,
        is_ignored=lambda path: path.startswith("ignored"),
        root=Path("/home/project"),
    )
    return make_mapping(
        parse_dockerfile(text), known, target=target, build_args=args, directives=found, watch=watch
    )


def short(effect: FileAction) -> str:
    """The targets of a sync with a blank between, `-` for nothing, `rebuild`."""
    if isinstance(effect, Sync):
        return " ".join(
            place.path
            + (f" {place.owner}" if place.owner else "")
            + (f" {place.mode:o}" if place.mode else "")
            for place in effect.targets
        )
    return {NoAction: "-", Rebuild: "rebuild", Restart: "restart"}[type(effect)]


WORK = "FROM a\nWORKDIR /app\n"
