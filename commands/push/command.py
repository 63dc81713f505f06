"""`resin push`: build and run a project's containers on a device, and keep them in step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.common.completions import device_types, files, folders, pushed_services
from commands.common.device import DeviceOptions, DeviceWord
from commands.push.project import Typed, check_usage
from resin_toolkit.cli.verb import report_of, single, takes

EXAMPLES = """\b
Examples:
  resin push kitchen
  resin push
  resin push kitchen --detach
  resin push kitchen --no-live --service web
  resin push kitchen --env COLOUR=blue --build-arg VERSION=2
  resin push kitchen --image registry.example.org/garden:1.4
  resin push --dry-run
"""


def push(
    context: typer.Context,
    device: DeviceWord = None,
    source: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The project's folder.", show_default=False, autocompletion=folders),
    ] = Path(),
    live: Annotated[
        bool | None,
        typer.Option("--live/--no-live", help="Send each change that is saved (the default)."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Push once, and return.")] = False,
    service: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Only this service; can be repeated.", autocompletion=pushed_services
        ),
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A variable for the containers.")
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Variables, a line each.", readable=False, autocompletion=files),
    ] = None,
    build_arg: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A value for an ARG of the Dockerfile.")
    ] = None,
    dockerfile: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Build by this file of the folder.", autocompletion=files),
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="STAGE", help="Build up to this stage.")] = None,
    device_type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="The board, where the device does not tell it.",
            autocompletion=device_types,
        ),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Build every step anew.")] = False,
    pull: Annotated[bool, typer.Option("--pull", help="Look for newer base images.")] = False,
    name: Annotated[
        str | None, typer.Option(metavar="APP", help="What the application is called on the device.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="REF",
            help="Bring this image of the workstation's engine, or archive of one.",
            autocompletion=files,
        ),
    ] = None,
    no_rollback: Annotated[
        bool, typer.Option("--no-rollback", help="Leave a new container that does not hold out.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be built and run, and stop.")
    ] = False,
    *,
    options: DeviceOptions,
) -> object:
    """Build and run a project's containers on the engine of a device, then send each change that is saved.

    What ran before runs on until the new container is there, and again where that does not hold out.
    """
    typed = Typed(
        source,
        name,
        tuple(service or ()),
        tuple(env or ()),
        tuple(env_file or ()),
        tuple(build_arg or ()),
        dockerfile,
        target,
        device_type,
        image,
    )
    check_usage(typed, device)
    from commands.push.session import Session

    session = Session(
        report_of(context),
        typed,
        options,
        device,
        live=live,
        detach=detach,
        no_cache=no_cache,
        pull=pull,
        rollback=not no_rollback,
    )
    return session.dry_run() if dry_run else session.run()


app = single(takes(DeviceOptions)(push), epilog=EXAMPLES)
