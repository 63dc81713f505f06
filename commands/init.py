"""`resin init`: create a project, or list base images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import device_types, distros, folders, languages
from resin_toolkit.cli.command import report_of, single_command
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen, table

if TYPE_CHECKING:
    from resin_toolkit.device.types import BaseImage, DeviceType
    from resin_toolkit.project.scaffold import CreatedProject

EXAMPLES = """\b
Examples:
  resin init
  resin init radio --language python --device-type raspberrypi3
  resin init radio --language go --distro alpine
  resin init --list --device-type intel-nuc --language node
"""


@dataclass(frozen=True)
class InitResult:
    """A project that was created."""

    project: CreatedProject

    def data(self) -> Mapping[str, object]:
        project, plan = self.project, self.project.plan
        return {
            "folder": str(project.folder),
            "name": project.name,
            "files": list(project.files),
            "language": plan.language,
            "distro": plan.distro,
            "device_type": plan.board.slug if plan.board else None,
            "architectures": list(plan.architectures),
            "image": plan.image,
            "build_image": plan.build_image,
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        from resin_toolkit.device.types import language_name

        project, plan = self.project, self.project.plan
        board = plan.board.name if plan.board else f"any {_alternatives(plan.architectures)} board"
        build = f"built on  {plan.build_image}\n" if plan.build_image != plan.image else ""
        source = "" if project.folder == Path() else f" --source {project.folder}"
        return (
            f"{project.name}: {language_name(plan.language)} on {plan.distro.capitalize()}, for {board}\n"
            f"files     {' '.join(project.files)}\n{build}runs on   {plan.image}\n"
            f"next      resin push{source}"
        )


@dataclass(frozen=True)
class BaseImages:
    """The base images that match the options."""

    images: tuple[BaseImage, ...]

    def data(self) -> Mapping[str, object]:
        return {
            "images": [
                {
                    "reference": image.reference,
                    "distro": image.distro,
                    "release": image.release,
                    "language": image.language or None,
                    "version": image.version or None,
                    "variant": image.variant,
                }
                for image in self.images
            ]
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        """A line for each repository and its tags: VERSION-RELEASE-run and VERSION-RELEASE-build."""
        tags: dict[str, dict[str, dict[str, None]]] = {}
        for image in self.images:
            name = image.reference.partition(":")[0]
            tags.setdefault(name, {}).setdefault(image.version, {})[image.release] = None
        rows = [("IMAGE", "VERSION", "RELEASE")]
        for name, versions in tags.items():
            same: dict[tuple[str, ...], list[str]] = {}
            for version, releases in versions.items():
                same.setdefault(tuple(releases), []).append(version)
            rows += [(name, " ".join(having), " ".join(releases)) for releases, having in same.items()]
        return f"{table(rows)}\n\n{len(self.images)} images, such as {self.images[0].reference}"


def init(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="[DIR]",
            help="Create the project in this folder.",
            show_default=False,
            autocompletion=folders,
        ),
    ] = Path(),
    language: Annotated[
        str | None,
        typer.Option(
            metavar="LANGUAGE",
            help="Use this language: node, python, go or java (default: python).",
            autocompletion=languages,
        ),
    ] = None,
    distro: Annotated[
        str | None,
        typer.Option(
            metavar="DISTRO",
            help="Use this distribution: debian, alpine, fedora or ubuntu (default: debian).",
            autocompletion=distros,
        ),
    ] = None,
    device_type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="Target this device type, for example raspberrypi3 (default: any).",
            autocompletion=device_types,
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List matching base images and exit.")] = False,
) -> InitResult | BaseImages:
    """Create a project: a Dockerfile with a matching base image, a sample app and resin.toml.

    Existing files are never overwritten. On a terminal, prompts for options that are not given.
    """
    from resin_toolkit.device import types
    from resin_toolkit.project import scaffold

    report = report_of(context)
    board = types.device_type(device_type) if device_type else None
    language = types.language(language) if language else None
    distro = types.distro(distro) if distro else None
    if list_:
        return BaseImages(scaffold.find_base_images(board, distro, language))
    scaffold.check_no_project(folder)
    if report.interactive:
        language = language or _ask_language(report)
        distro = distro or _ask_distro(report)
        board = board or _ask_board(report)
    else:
        _print_defaults(report, language, distro, board)
    return InitResult(
        scaffold.create_project(
            folder, language or scaffold.DEFAULT_LANGUAGE, distro or scaffold.DEFAULT_DISTRO, board
        )
    )


def _print_defaults(
    report: Report, language: str | None, distro: str | None, board: DeviceType | None
) -> None:
    from resin_toolkit.device.types import language_name
    from resin_toolkit.project.scaffold import DEFAULT_DISTRO, DEFAULT_LANGUAGE

    defaults = (
        (language, f"{language_name(DEFAULT_LANGUAGE)} (--language)"),
        (distro, f"{DEFAULT_DISTRO.capitalize()} (--distro)"),
        (board, "any board (--device-type)"),
    )
    used = [default for given, default in defaults if given is None]
    if used:
        report.say(f"Using defaults: {', '.join(used)}.")


def _ask_language(report: Report) -> str:
    from resin_toolkit.device.types import language_name
    from resin_toolkit.project.scaffold import project_languages

    choices = [(name, language_name(name)) for name in project_languages()]
    return report.choose("Language", lambda: choices)


def _ask_distro(report: Report) -> str:
    from resin_toolkit.device.types import distro
    from resin_toolkit.project.scaffold import DEFAULT_DISTRO

    return distro(report.ask("Distribution", default=DEFAULT_DISTRO, check=distro))


def _ask_board(report: Report) -> DeviceType | None:
    from resin_toolkit.device.types import device_type

    def check(answer: str) -> None:
        if answer:
            device_type(answer)

    answer = report.ask("Device type (any board if empty)", check=check)
    return device_type(answer) if answer else None


def _alternatives(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


app = single_command(init, epilog=EXAMPLES)
