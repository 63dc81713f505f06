"""`resin push`: build and run a project on a device, then sync its changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.common.completions import device_types, files, folders, pushed_services
from commands.common.device import DeviceArgument, DeviceOptions
from commands.common.image_options import MemoryLimitOption, parse_memory_limit_option
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.errors import Usage

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
    device: DeviceArgument = None,
    source: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Push the project in this folder (default: the current one).",
            show_default=False,
            autocompletion=folders,
        ),
    ] = Path(),
    live: Annotated[
        bool | None,
        typer.Option("--live/--no-live", help="Sync changes as you save (default: on)."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Deploy once and exit.")] = False,
    service: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Push only this service and its dependencies (repeatable).",
            autocompletion=pushed_services,
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="Set an environment variable in the containers (repeatable)."),
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Read environment variables from a file (repeatable).",
            readable=False,
            autocompletion=files,
        ),
    ] = None,
    build_arg: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Set a build argument (repeatable).")
    ] = None,
    dockerfile: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Build this Dockerfile.", autocompletion=files),
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="STAGE", help="Build up to this stage.")] = None,
    device_type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="Set the device type instead of detecting it.",
            autocompletion=device_types,
        ),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Build without the layer cache.")] = False,
    pull: Annotated[bool, typer.Option("--pull", help="Pull newer versions of the base images.")] = False,
    name: Annotated[
        str | None, typer.Option(metavar="APP", help="Set the application's name on the device.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="REF",
            help="Run this local image or image archive instead of building one.",
            autocompletion=files,
        ),
    ] = None,
    memory_limit: MemoryLimitOption = None,
    no_rollback: Annotated[
        bool, typer.Option("--no-rollback", help="Keep the new container even if it fails.")
    ] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Allow the device, outside files and variables that the project asks for."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be built and run, and exit.")
    ] = False,
    *,
    options: DeviceOptions,
) -> object:
    """Build and run the current project on a device, then sync changes as you save.

    The old container keeps running until the new image is ready. If the new container exits or becomes
    unhealthy, the old one is restored.
    """
    if device and (device in (".", "..") or "/" in device) and Path(device).is_dir():
        raise Usage(
            f"{device} is a folder, not a device.",
            hint=f"Choose the project with `resin push --source {device}`.",
        )
    if image and (dockerfile or target or build_arg):
        raise Usage(
            "--image excludes --dockerfile, --target and --build-arg: nothing is built.",
            hint="Remove --image or those options.",
        )
    from commands.push.run import PushRun
    from resin_toolkit.push.deployment import PushOptions
    from resin_toolkit.push.project import ProjectOverrides, parse_variables

    most_memory = parse_memory_limit_option(memory_limit)
    environment = parse_variables(env or (), "--env")
    build_args = parse_variables(build_arg or (), "--build-arg")

    overrides = ProjectOverrides(
        source,
        name,
        tuple(service or ()),
        environment,
        tuple(env_file or ()),
        build_args,
        dockerfile,
        target,
        device_type,
        image,
    )
    push_options = PushOptions(
        dockerfile=dockerfile,
        target=target or "",
        build_args=build_args,
        no_cache=no_cache,
        pull=pull,
        rollback=not no_rollback,
    )
    run = PushRun(
        report_of(context),
        overrides,
        options,
        device,
        push_options,
        live=live,
        detach=detach,
        memory_limit=most_memory,
        trust=trust,
    )
    return run.dry_run() if dry_run else run.run()


app = single_command(with_options(DeviceOptions)(push), epilog=EXAMPLES)
