"""The source of a service's image: context, Dockerfile, build arguments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from resin_toolkit.project.access import ProjectAccess
from resin_toolkit.project.application import Application, Service
from resin_toolkit.project.bounded_file import ReadFile, read_bounded
from resin_toolkit.project.context import BuildContext
from resin_toolkit.project.dev_directives import DevDirectives, live_dockerfile, parse_dev_directives
from resin_toolkit.project.dockerfile import Dockerfile, check_classic, parse_dockerfile
from resin_toolkit.project.dockerfile_choice import ChosenDockerfile, choose_dockerfile
from resin_toolkit.project.ignore import read_ignore_rules
from resin_toolkit.project.substitution import BadWord, expand
from resin_toolkit.push.plan.platform import Platform


@dataclass(frozen=True)
class BuildSource:
    """The source of one build. `dockerfile` ends with the target stage."""

    service: Service
    recipe: ChosenDockerfile
    context: BuildContext
    dockerfile: Dockerfile
    target: str
    args: Mapping[str, str]
    cache: Path | None = None
    plain: Dockerfile | None = None
    """The Dockerfile without what the `#dev-` lines add."""
    directives: DevDirectives = field(default_factory=DevDirectives)
    folders: tuple[str, ...] = ()
    """The real paths of the folders whose files live mode may send; any if empty."""
    _digests: list[str] = field(default_factory=list)

    def bases(self) -> list[str]:
        """The base images: those of FROM, and those that COPY copies from.

        Images that are unknown before the build are left out.
        """
        found = []
        try:
            outer = self.dockerfile.global_arg_values(self.args)
            for position, stage in enumerate(self.dockerfile.stages):
                base = expand(stage.base, outer, self.dockerfile.directives.escape)
                # The builder expands no variables there.
                copied_from = (each.flags.get("from", "") for each in stage.instructions)
                for image in (base, *copied_from):
                    if image not in ("", "scratch") and self.dockerfile.find_stage(image, position) is None:
                        found.append(image)
        except BadWord:
            return found
        return list(dict.fromkeys(found))

    def read_files(self) -> None:
        """Hash the files now, before they are sent: a file saved during the build counts as changed then."""
        if not self._digests:
            self._digests.append(self.context.digest(self.cache))

    def digest(self, image_of: Callable[[str], str]) -> str:
        """The hash of everything that the image is built from; `image_of` returns the ID of a base image.

        The files are read once, by the first call of this method or of `read_files`.
        """
        self.read_files()
        parts = [
            self._digests[0],
            self.recipe.name,
            self.target,
            sorted(self.args.items()),
            [[base, image_of(base)] for base in self.bases()],
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def read_build_source(
    application: Application,
    service: Service,
    platform: Platform,
    *,
    dockerfile: str | None = None,
    target: str = "",
    args: Mapping[str, str] | None = None,
    cache: Path | None = None,
    live: bool = False,
    access: ProjectAccess | None = None,
) -> BuildSource:
    """The source of a service that is built; the arguments take precedence over the project's settings.

    With `live`, the `#dev-` lines take part in the build. `access` notes what is outside the project.

    Raises PathNotFound, BadValue, and NotSupported for a Dockerfile that the device's engine cannot build.
    """
    build = service.build
    assert build is not None
    read: ReadFile = access.read if access else read_bounded
    recipe = choose_dockerfile(
        build.context,
        dockerfile or build.dockerfile,
        platform.machines,
        platform.arch,
        service=service.name,
        application=application.name,
        read=read,
    )
    wanted = target or build.target
    plain = parse_dockerfile(recipe.text, recipe.name).up_to(wanted)
    directives = (
        parse_dev_directives(recipe.text, recipe.name, plain.directives.escape) if live else DevDirectives()
    )
    text = live_dockerfile(recipe.text, directives)
    parsed = parse_dockerfile(text, recipe.name).up_to(wanted)
    check_classic(parsed)
    made = text.encode("utf-8", "surrogateescape")
    extra = {} if made == recipe.content else {recipe.name: made}
    rules = read_ignore_rules(build.context, recipe.name, read)
    context = BuildContext(build.context, recipe.name, rules, extra)
    folders = [context.folder]
    if access is not None:
        access.note(context.folder, f"build context of {service.name}")
        watched = service.watch if live else ()
        folders += [access.note(rule.path, f"services.{service.name}.develop.watch") for rule in watched]
    given = {**build.args, **(args or {})}
    return BuildSource(
        service,
        replace(recipe, text=text),
        context,
        parsed,
        wanted,
        given,
        cache,
        plain,
        directives,
        tuple(folders),
    )
