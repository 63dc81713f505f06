"""Load the application that the compose files of a folder describe."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from resin_toolkit.compose import dotenv, schema
from resin_toolkit.compose.consistency import check_references, drop_missing_optional
from resin_toolkit.compose.extends import ServiceExtender
from resin_toolkit.compose.file_search import find_compose_files
from resin_toolkit.compose.interpolation import Origins, interpolate
from resin_toolkit.compose.load_context import LoadContext
from resin_toolkit.compose.merge import merge, remove_resets
from resin_toolkit.compose.networks_and_volumes import read_networks, read_volumes
from resin_toolkit.compose.nodes import Location, Map, Node
from resin_toolkit.compose.problems import ValuePath
from resin_toolkit.compose.service import read_service
from resin_toolkit.compose.taken_variables import note_taken
from resin_toolkit.compose.unsupported import check_supported
from resin_toolkit.compose.values import strings, text
from resin_toolkit.compose.yaml_reader import read_yaml
from resin_toolkit.errors import BadValue, PathNotFound
from resin_toolkit.project.access import ProjectAccess
from resin_toolkit.project.application import Application
from resin_toolkit.project.names import app_name, checked_app_name


def load_application(
    folder: Path,
    files: Sequence[Path] | None,
    *,
    environment: Mapping[str, str],
    name: str | None,
    services: Collection[str] = (),
    access: ProjectAccess | None = None,
) -> Application:
    """Load the compose files of `folder`, or `files`, merged in their order.

    `files` are relative to `folder`. `environment` holds the variables of this process. `services` are
    included even if their profiles are not active. `access` notes what is taken from this machine.

    Raises ComposeInvalid with all problems, and PathNotFound if there is no compose file.
    """
    load_context = LoadContext(_absolute(Path.cwd(), folder), access=access)
    load_context.variables, load_context.origins = _variables(load_context, environment, files)
    load_context.diagnostics.raise_if_any()
    tree = _tree(_files(load_context, files), load_context)
    load_context.diagnostics.raise_if_any()
    application = _application(tree, load_context, name, services)
    load_context.diagnostics.raise_if_any()
    return application


def _variables(
    load_context: LoadContext, environment: Mapping[str, str], files: Sequence[Path] | None
) -> tuple[dict[str, str], Origins]:
    """The environment over the variables of `.env` beside the first compose file, and their origins."""
    env_file = (load_context.folder / files[0]).parent / ".env" if files else load_context.folder / ".env"
    content = load_context.text(env_file, ".env") if env_file.is_file() else None
    found: dict[str, str] = {}
    taken: dict[str, set[str]] = {}
    if content is not None:
        location = Location(load_context.shown(env_file), 1, env_file.parent)
        own = {name: (name,) for name, value in environment.items() if value}
        given = dotenv.parse(
            content, location, environment, load_context.diagnostics, origins=own, taken=taken
        )
        found = {key: value for key, value in given.items() if value is not None}
    # A variable that is empty, or has the same value in `.env`, takes nothing from the environment.
    origins: dict[str, Collection[str]] = {name: taken.get(name, ()) for name in found}
    origins |= {name: (name,) for name, value in environment.items() if value and found.get(name) != value}
    return {**found, **environment}, origins


def _files(load_context: LoadContext, files: Sequence[Path] | None) -> list[Path]:
    if files:
        return [_absolute(load_context.folder, file) for file in files]
    named = load_context.variables.get("COMPOSE_FILE", "")
    if named:
        separator = load_context.variables.get("COMPOSE_PATH_SEPARATOR", "") or os.pathsep
        return [_absolute(load_context.folder, word) for word in named.split(separator) if word]
    found = find_compose_files(load_context.folder)
    if not found:
        raise PathNotFound(
            f"{load_context.folder} has no compose file.",
            hint="Create compose.yaml, or name another file on the command line.",
        )
    return found


def _absolute(folder: Path, path: str | Path) -> Path:
    """Make a path absolute. Symbolic links are kept: paths in a linked file are relative to the link."""
    return Path(os.path.normpath(folder / path))


def _tree(files: Sequence[Path], load_context: LoadContext) -> Map:
    """The merged files. If there are problems it is incomplete, and the caller raises them."""
    base = files[0].parent
    empty = Map({}, Location(load_context.shown(files[0]), 1, base))
    merged = empty
    for file in files:
        tree = _read(file, base, None, load_context)
        if tree is None:
            continue
        if load_context.diagnostics.problems:
            continue
        extender = ServiceExtender(
            lambda other, at: _read(other, other.parent, at, load_context), load_context.diagnostics
        )
        tree = extender.apply(tree, file)
        merged = tree if merged is empty else merge(merged, tree)
    result = remove_resets(merged)
    assert isinstance(result, Map)
    return result


def _read(file: Path, base: Path, named_at: Location | None, load_context: LoadContext) -> Map | None:
    content = load_context.text(file, "extends" if named_at else "compose file", named_at)
    raw = (
        read_yaml(content, load_context.shown(file), base, load_context.diagnostics)
        if content is not None
        else None
    )
    if raw is None:
        return None
    before = len(load_context.diagnostics.problems)
    tree = interpolate(raw, load_context.variables, load_context.diagnostics, load_context.origins)
    checked = remove_resets(tree)
    assert isinstance(tree, Map)
    assert isinstance(checked, Map)
    schema.validate(checked, load_context.diagnostics)
    return tree if len(load_context.diagnostics.problems) == before else None


def _application(
    tree: Map, load_context: LoadContext, name: str | None, named: Collection[str]
) -> Application:
    given = tree.get("services")
    diagnostics = load_context.diagnostics
    if not isinstance(given, Map) or not given.entries:
        diagnostics.add(tree.location, "there are no services", "Define at least one under `services:`.")
        diagnostics.raise_if_any()
    all_services = dict(given.entries) if isinstance(given, Map) else {}
    active, left_out = _by_profile(all_services, load_context.variables, named)
    check_supported(_with_services(tree, active), diagnostics)
    if load_context.access is not None:
        note_taken(tree, active, load_context.access)
    path = ValuePath(diagnostics, ("services",))
    records = []
    for key, node in active.items():
        needed = drop_missing_optional(node, active, path / key / "depends_on")
        if isinstance(needed, Map):
            records.append(read_service(key, needed, path / key, load_context))
    for word in named:
        if word not in all_services:
            diagnostics.add(
                tree.key_location("services"),
                f"there is no service {word}",
                f"Services: {', '.join(all_services)}.",
            )
    application = Application(
        _name(tree, load_context, name),
        tuple(records),
        read_networks(tree.get("networks"), ValuePath(diagnostics, ("networks",))),
        read_volumes(tree.get("volumes"), ValuePath(diagnostics, ("volumes",))),
        tuple(load_context.files),
        tuple(diagnostics.notices),
    )
    check_references(application, tree, left_out, diagnostics)
    return application


def _with_services(tree: Map, services: Mapping[str, Node]) -> Map:
    """The tree with only these services: the others are not checked."""
    node = tree.get("services")
    if not isinstance(node, Map):
        return tree
    return replace(tree, entries={**tree.entries, "services": replace(node, entries=services)})


def _by_profile(
    services: Mapping[str, Node], variables: Mapping[str, str], named: Collection[str]
) -> tuple[dict[str, Node], dict[str, str]]:
    """The active services, and the profiles of those that are not."""
    profiles_on = {word.strip() for word in variables.get("COMPOSE_PROFILES", "").split(",")}
    active, left_out = {}, {}
    for name, node in services.items():
        profiles = strings(node.get("profiles")) if isinstance(node, Map) else ()
        if not profiles or name in named or "*" in profiles_on or profiles_on & set(profiles):
            active[name] = node
        else:
            left_out[name] = ", ".join(profiles)
    return active, left_out


def _name(tree: Map, load_context: LoadContext, name: str | None) -> str:
    """The name given by the user, else COMPOSE_PROJECT_NAME, `name` in the files, or the folder's name."""
    given, written = name or load_context.variables.get("COMPOSE_PROJECT_NAME", ""), tree.get("name")
    if given or written is None:
        return checked_app_name(given) if given else app_name(tree.location.base.name)
    try:
        return checked_app_name(text(written))
    except BadValue as error:
        load_context.diagnostics.add(written.location, error.message.rstrip("."), error.hint)
        return app_name(tree.location.base.name)
