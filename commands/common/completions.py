"""The values that TAB offers for arguments and options: functions for Typer's `autocompletion`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from resin_toolkit.cli.completion import Files, Folders

REMOTE_COMMAND = "resin.ssh.command"
"""The key in click's context under which `resin ssh` keeps what follows `--`; nothing in it is completed."""


def files(incomplete: str) -> Sequence[str]:
    """Any file."""
    return [Files(incomplete)]


def folders(incomplete: str) -> Sequence[str]:
    """Any directory."""
    return [Folders(incomplete)]


def drives(incomplete: str) -> Sequence[str | tuple[str, str]]:
    """The drives that can be flashed, with size and name; files if the word begins no drive."""
    if incomplete and not incomplete.startswith("/dev/"):
        return [Files(incomplete)]
    return _drives(incomplete) or [Files(incomplete)]


def images(incomplete: str) -> Sequence[str | tuple[str, str]]:
    """Files; drives if the word begins with /dev/."""
    return drives(incomplete) if incomplete.startswith("/dev/") else [Files(incomplete)]


def devices(context: typer.Context, incomplete: str) -> Sequence[tuple[str, str]]:
    """The devices seen recently."""
    from resin_toolkit.cli import completion_values

    return [] if REMOTE_COMMAND in context.meta else list(completion_values.devices(incomplete))


def services(context: typer.Context) -> Sequence[str]:
    """The services of the device on the command line, else of the default device."""
    from resin_toolkit.cli import completion_values

    return completion_values.services(context.params.get("device") or "", Path())


def pushed_services(context: typer.Context) -> Sequence[str]:
    """The services in the project's compose files, else those of the device."""
    from resin_toolkit.cli import completion_values

    folder = Path(context.params.get("source") or "")
    return completion_values.project_services(folder) or completion_values.services(
        context.params.get("device") or "", folder
    )


def device_types() -> Sequence[str]:
    """The device types."""
    from resin_toolkit.cli import completion_values

    return completion_values.device_types()


def distros() -> Sequence[str]:
    """The distributions for which there are base images."""
    from resin_toolkit.cli import completion_values

    return completion_values.distros()


def languages(context: typer.Context) -> Sequence[str]:
    """The languages of `resin init`; with --list, those for which there are base images."""
    if context.params.get("list_"):
        from resin_toolkit.device import types

        return types.languages()
    from resin_toolkit.project.scaffold import project_languages

    return project_languages()


def keys(incomplete: str) -> Sequence[tuple[str, str]]:
    """The keys of config.json."""
    from image_tools.config.keys import KEYS

    return [(key.name, key.meaning) for key in KEYS if key.name.startswith(incomplete)]


def assignments(incomplete: str) -> Sequence[tuple[str, str]]:
    """The keys of config.json, each with an equals sign; after it, the values of a key that has few."""
    from image_tools.config.keys import BY_NAME, ValueType

    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [(f"{name}=", meaning) for name, meaning in keys(incomplete)]
    key = BY_NAME.get(name)
    if key is None:
        return []
    choices = ("true", "false") if key.value_type is ValueType.BOOL else key.choices
    return [(f"{name}={choice}", "") for choice in choices]


def _drives(incomplete: str) -> Sequence[tuple[str, str]]:
    from image_tools.drives import list_drives
    from resin_toolkit.cli.completion_values import plain
    from resin_toolkit.errors import ResinError
    from resin_toolkit.terminal.screen import format_size

    try:
        found = [drive for drive in list_drives() if drive.is_flashable()]
    except ResinError:
        return []
    shown = set(plain(drive.path for drive in found if drive.path.startswith(incomplete)))
    return [
        (drive.path, f"{format_size(drive.size)} {' '.join(plain(drive.title.split()))}")
        for drive in found
        if drive.path in shown
    ]
