"""The read-only views of `resin configure`: --show, --check and --keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from image_tools import config as config_file
from image_tools.boot_partition import BootPartition, open_boot
from image_tools.configuration import list_connections, read_config
from image_tools.image_file import open_for_reading
from image_tools.os_info import OsInfo, read_os_info
from resin_toolkit.errors import Exit
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen, clean, table

if TYPE_CHECKING:
    from image_tools.config import KeyRow
    from image_tools.lint.image import Finding


@dataclass(frozen=True)
class Configuration:
    """The configuration of an image. Secrets are hidden."""

    image: str
    partition: int
    os: OsInfo
    config: Mapping[str, object]
    connections: tuple[Mapping[str, object], ...]

    def data(self) -> Mapping[str, object]:
        return {
            "image": self.image,
            "partition": self.partition,
            "os": asdict(self.os),
            "config": self.config,
            "connections": list(self.connections),
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        lines = [f"config.json (partition {self.partition}):"]
        lines.append(json.dumps(self.config, indent=2, ensure_ascii=False))
        lines.append("system-connections:" if self.connections else "system-connections: none")
        for connection in self.connections:
            unused = "" if connection["used"] else " (not used by the device)"
            lines.append(f"  {connection['file']}{unused}")
            lines.extend(f"    {fact}" for fact in _facts(connection))
        return clean("\n".join(lines))


@dataclass(frozen=True)
class AnswersFile:
    """The configuration of an image as an answers file. Secrets are references."""

    toml: str

    def data(self) -> Mapping[str, object]:
        return {"toml": self.toml}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return clean(self.toml)


@dataclass(frozen=True)
class Checked:
    """The lint findings of a boot partition; errors set exit code 1."""

    image: str
    findings: tuple[Finding, ...]

    @property
    def exit(self) -> Exit:
        return Exit.FAILED if any(finding.is_error for finding in self.findings) else Exit.DONE

    def data(self) -> Mapping[str, object]:
        return {"image": self.image, "findings": [finding.data() for finding in self.findings]}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        errors = sum(finding.is_error for finding in self.findings)
        counts = (
            f"{errors} errors, {len(self.findings) - errors} warnings" if self.findings else "no problems"
        )
        return clean("\n".join([*map(str, self.findings), f"{self.image}: {counts}."]))


@dataclass(frozen=True)
class Keys:
    """The known keys of config.json."""

    rows: tuple[KeyRow, ...]

    def data(self) -> Mapping[str, object]:
        return {"keys": [row.data() for row in self.rows]}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        lines = []
        for group in dict.fromkeys(row.group for row in self.rows):
            rows = [row for row in self.rows if row.group is group]
            cells = [(f"  {row.name}", " | ".join(row.choices) or row.type, row.meaning) for row in rows]
            lines += [f"{group.value}:", table(cells), ""]
        return "\n".join(lines[:-1])


def known_keys() -> Keys:
    """Return the known keys of config.json."""
    return Keys(tuple(config_file.keys_table()))


def shown(image: Path, partition: int | None, report: Report, memory_limit: int) -> Configuration:
    """Read the configuration of an image."""
    with _opened_boot(image, partition, report, memory_limit) as boot:
        return Configuration(
            str(image),
            boot.partition.number,
            read_os_info(boot.filesystem, boot.partition.name),
            config_file.hidden(read_config(boot.filesystem)),
            list_connections(boot.filesystem),
        )


def shown_as_answers(image: Path, partition: int | None, report: Report, memory_limit: int) -> AnswersFile:
    """Return the answers file that configures another image the same way."""
    from image_tools.answers.from_image import answers_from_image
    from image_tools.answers.writer import write_answers

    with _opened_boot(image, partition, report, memory_limit) as boot:
        answers, notices = answers_from_image(boot.filesystem)
        report.warn(*notices)
        return AnswersFile(write_answers(answers))


def checked(image: Path, partition: int | None, report: Report, memory_limit: int) -> Checked:
    """Lint the boot partition of an image."""
    from image_tools.lint.image import check_image

    with _opened_boot(image, partition, report, memory_limit) as boot:
        return Checked(str(image), tuple(check_image(boot)))


@contextmanager
def _opened_boot(
    image: Path, partition: int | None, report: Report, memory_limit: int
) -> Iterator[BootPartition]:
    with open_for_reading(image, report.progress(), memory_limit) as file:
        boot = open_boot(file, partition)
        report.warn(*boot.notices)
        yield boot


def _facts(connection: Mapping[str, object]) -> Iterator[str]:
    """The settings of a connection, or why they cannot be read."""
    if "problem" in connection:
        yield str(connection["problem"])
    settings = connection.get("settings")
    for section, keys in settings.items() if isinstance(settings, Mapping) else ():
        for key, value in keys.items():
            yield f"{section}.{key} = {value}"
