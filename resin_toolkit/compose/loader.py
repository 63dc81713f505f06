"""From the compose files of a folder to the application that they describe."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from resin_toolkit.compose import dotenv, schema
from resin_toolkit.compose.consistency import check, without_optional
from resin_toolkit.compose.extends import Extending
from resin_toolkit.compose.file_search import find
from resin_toolkit.compose.interpolation import interpolated
from resin_toolkit.compose.load_context import Surroundings
from resin_toolkit.compose.merge import merge, without_resets
from resin_toolkit.compose.networks_and_volumes import networks, volumes
from resin_toolkit.compose.nodes import Map, Node, Place
from resin_toolkit.compose.problems import Where
from resin_toolkit.compose.service import service
from resin_toolkit.compose.unsupported import refuse
from resin_toolkit.compose.values import text, words
from resin_toolkit.compose.yaml_reader import read
from resin_toolkit.errors import BadValue, PathNotFound
from resin_toolkit.project.application import Application
from resin_toolkit.project.names import app_name, checked_app_name


def load(
    folder: Path,
    files: Sequence[Path] | None,
    *,
    environment: Mapping[str, str],
    name: str | None,
    services: Collection[str] = (),
) -> Application:
    """The application that compose files describe: those of `folder`, or the named ones, in layers.

    `files` are seen from `folder`. `environment` are the workstation's variables. `services` are those
    that the user has named: they are there even if their profiles are not active, beside all the others.
    Raises ComposeInvalid with all that is wrong, PathNotFound where there is no file.
    """
    around = Surroundings(_beside(Path.cwd(), folder))
    around.variables = _variables(around, environment, files)
    around.findings.end_if_any()
    tree = _tree(_files(around, files), around)
    around.findings.end_if_any()
    application = _application(tree, around, name, services)
    around.findings.end_if_any()
    return application


def _variables(
    around: Surroundings, environment: Mapping[str, str], files: Sequence[Path] | None
) -> dict[str, str]:
    """The workstation's variables, and those of the file `.env` beside the first compose file."""
    path = (around.folder / files[0]).parent / ".env" if files else around.folder / ".env"
    content = around.text(path) if path.is_file() else None
    found = {}
    if content is not None:
        place = Place(around.shown(path), 1, path.parent)
        given = dotenv.parse(content, place, environment, around.findings)
        found = {key: value for key, value in given.items() if value is not None}
    return {**found, **environment}


def _files(around: Surroundings, files: Sequence[Path] | None) -> list[Path]:
    if files:
        return [_beside(around.folder, file) for file in files]
    named = around.variables.get("COMPOSE_FILE", "")
    if named:
        sign = around.variables.get("COMPOSE_PATH_SEPARATOR", "") or os.pathsep
        return [_beside(around.folder, word) for word in named.split(sign) if word]
    found = find(around.folder)
    if not found:
        raise PathNotFound(
            f"{around.folder} has no compose file.",
            hint="It is called compose.yaml or docker-compose.yml; name another one on the command line.",
        )
    return found


def _beside(folder: Path, path: str | Path) -> Path:
    """An absolute path. A link to a file is left as it is: what the file names lies beside the link."""
    return Path(os.path.normpath(folder / path))


def _tree(files: Sequence[Path], around: Surroundings) -> Map:
    """All files laid over each other; what is told as wrong ends the run before anyone uses it."""
    base = files[0].parent
    empty = Map({}, Place(around.shown(files[0]), 1, base))
    merged = empty
    for file in files:
        tree = _read(file, base, None, around)
        if tree is None:
            continue
        if around.findings.problems:
            continue
        extending = Extending(lambda other, at: _read(other, other.parent, at, around), around.findings)
        tree = extending.applied(tree, file)
        merged = tree if merged is empty else merge(merged, tree)
    result = without_resets(merged)
    assert isinstance(result, Map)
    return result


def _read(file: Path, base: Path, named_at: Place | None, around: Surroundings) -> Map | None:
    content = around.text(file, named_at)
    raw = read(content, around.shown(file), base, around.findings) if content is not None else None
    if raw is None:
        return None
    before = len(around.findings.problems)
    tree = interpolated(raw, around.variables, around.findings)
    checked = without_resets(tree)
    assert isinstance(tree, Map)
    assert isinstance(checked, Map)
    schema.check(checked, around.findings)
    return tree if len(around.findings.problems) == before else None


def _application(tree: Map, around: Surroundings, name: str | None, named: Collection[str]) -> Application:
    given = tree.get("services")
    findings = around.findings
    if not isinstance(given, Map) or not given.entries:
        findings.add(tree.place, "there are no services", "Describe at least one below `services:`.")
        findings.end_if_any()
    everything = dict(given.entries) if isinstance(given, Map) else {}
    active, left_out = _by_profile(everything, around.variables, named)
    refuse(_with_services(tree, active), findings)
    where = Where(findings, ("services",))
    records = []
    for key, node in active.items():
        needed = without_optional(node, active, where / key / "depends_on")
        if isinstance(needed, Map):
            records.append(service(key, needed, where / key, around))
    for word in named:
        if word not in everything:
            findings.add(
                tree.key_place("services"),
                f"there is no service {word}",
                f"There are {', '.join(everything)}.",
            )
    application = Application(
        _name(tree, around, name),
        tuple(records),
        networks(tree.get("networks"), Where(findings, ("networks",))),
        volumes(tree.get("volumes"), Where(findings, ("volumes",))),
        tuple(around.files),
        tuple(findings.notices),
    )
    check(application, tree, left_out, findings)
    return application


def _with_services(tree: Map, services: Mapping[str, Node]) -> Map:
    """The tree without the services that are left out: what they ask for is nobody's concern."""
    node = tree.get("services")
    if not isinstance(node, Map):
        return tree
    return replace(tree, entries={**tree.entries, "services": replace(node, entries=services)})


def _by_profile(
    services: Mapping[str, Node], variables: Mapping[str, str], named: Collection[str]
) -> tuple[dict[str, Node], dict[str, str]]:
    """The services that are wanted, and the profiles of those that are not."""
    wanted = {word.strip() for word in variables.get("COMPOSE_PROFILES", "").split(",")}
    active, left_out = {}, {}
    for name, node in services.items():
        profiles = words(node.get("profiles")) if isinstance(node, Map) else ()
        if not profiles or name in named or "*" in wanted or wanted & set(profiles):
            active[name] = node
        else:
            left_out[name] = ", ".join(profiles)
    return active, left_out


def _name(tree: Map, around: Surroundings, name: str | None) -> str:
    """The name that the user gives; else COMPOSE_PROJECT_NAME, `name` of the files, or the folder's."""
    given, written = name or around.variables.get("COMPOSE_PROJECT_NAME", ""), tree.get("name")
    if given or written is None:
        return checked_app_name(given) if given else app_name(tree.place.base.name)
    try:
        return checked_app_name(text(written))
    except BadValue as error:
        around.findings.add(written.place, error.message.rstrip("."), error.hint)
        return app_name(tree.place.base.name)
