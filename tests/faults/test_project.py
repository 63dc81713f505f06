"""Faults of `resin push`: invalid projects."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.pushed_projects import Bench, write
from support.resin_command import PROGRAM, program, resin

from faults.conditions import POWERLESS
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

EARLY = "names file and line; changes nothing on the device"
BEFORE = "names file and line; changes nothing on the device"
NAMED = "names file and line; changes nothing on the device"
NOWHERE = "192.0.2.1"
"""An address of nobody (RFC 5737)."""
KEYS = "`resin.toml` with an unknown key or a value of the wrong type"
MISSING = "a missing build context, Dockerfile or env file"


@fault("push", "no project in the directory", Exit.NOT_FOUND, "file-not-found", EARLY, {})
@fault("push", KEYS, Exit.USAGE, "bad-value", EARLY, {"resin.toml": "nmae = 'x'\n"})
@fault("push", KEYS, Exit.USAGE, "bad-value", EARLY, {"resin.toml": "name = 3\n"})
@fault(
    "push",
    "`resin.toml` is not valid TOML",
    Exit.FAILED,
    "config-invalid",
    EARLY,
    {"resin.toml": "name = \n"},
)
def test_what_is_no_project(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path, fault.given))
    if fault.given:
        Path("Dockerfile").write_text("FROM stand-in\n")
    fault.met(resin("push", NOWHERE, "--detach", "--json"), *fault.given)


CACHE = {"Dockerfile": "FROM stand-in\nRUN --mount=type=cache,target=/x true\n"}
BIND = {"compose.yaml": "services: {web: {image: x, volumes: ['.:/app']}}\n"}


@fault(
    "push",
    "a compose file that violates the specification",
    Exit.USAGE,
    "compose-invalid",
    BEFORE,
    {"compose.yaml": "services: {web: {imag: x}}\n"},
)
@fault("push", "a compose file with an unsupported feature", Exit.USAGE, "compose-invalid", BEFORE, BIND)
@fault(
    "push",
    "a compose file that is not valid YAML",
    Exit.USAGE,
    "compose-invalid",
    BEFORE,
    {"compose.yaml": "services: [\n"},
)
@fault("push", "a Dockerfile that requires BuildKit", Exit.FAILED, "not-supported", BEFORE, CACHE)
def test_what_a_device_cannot_be_given(fault: Fault, made: Bench, tmp_path: Path) -> None:
    project = write(tmp_path / "garden", fault.given)
    fault.met(made.push(project, "--json"), *fault.given)
    assert made.containers() == []


@fault("push", MISSING, Exit.NOT_FOUND, "file-not-found", NAMED, ["--source", "none"])
@fault("push", MISSING, Exit.NOT_FOUND, "file-not-found", NAMED, ["--dockerfile", "none"])
@fault("push", MISSING, Exit.NOT_FOUND, "file-not-found", NAMED, ["--env-file", "none"])
@fault(
    "push",
    "a missing image archive",
    Exit.NOT_FOUND,
    "image-not-found",
    NAMED,
    ["--image", "./none.tar"],
)
@fault(
    "push",
    "an image that cannot be pulled",
    Exit.FAILED,
    "engine-failed",
    NAMED,
    ["--image", "none:1"],
)
@fault(
    "push",
    "no such service in the project",
    Exit.NOT_FOUND,
    "service-not-found",
    NAMED,
    ["--service", "none"],
)
@fault(
    "push",
    "no such stage in the Dockerfile",
    Exit.USAGE,
    "bad-value",
    NAMED,
    ["--target", "none"],
)
def test_what_is_missing(fault: Fault, made: Bench, garden: Path) -> None:
    fault.met(made.push(garden, *fault.given, "--json"), "none")
    assert made.containers() == []


@fault("push", "a directory in place of a Dockerfile", Exit.NOT_FOUND, "file-not-found", NAMED)
def test_a_folder_is_no_dockerfile(fault: Fault, made: Bench, garden: Path) -> None:
    (garden / "Dockerfile").unlink()
    (garden / "Dockerfile").mkdir()
    fault.met(made.push(garden, "--json"), "Dockerfile")


@fault(
    "push",
    "no permission to read a file of the project",
    Exit.NOT_PERMITTED,
    "not-permitted",
    NAMED,
    "Dockerfile",
)
@fault(
    "push", "no permission to read a file of the project", Exit.NOT_PERMITTED, "not-permitted", NAMED, "note"
)
def test_a_file_that_may_not_be_read(fault: Fault, made: Bench, garden: Path) -> None:
    (garden / fault.given).chmod(0)
    command = (*made.desk.prefix, *POWERLESS, PROGRAM)
    words = ("push", made.device.address, "--detach", "--json")
    fault.met(program(*words, cwd=garden, env=made.desk.environment, command=command), fault.given)
    assert made.containers() == []


@fault("push", "`--image` with a file that is not an image archive", Exit.USAGE, "bad-value", NAMED)
def test_a_damaged_archive(fault: Fault, made: Bench, garden: Path, tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(b"no archive" * 1000)
    fault.met(made.push(garden, "--image", str(tmp_path / "image.tar"), "--json"), "image.tar")
    assert made.containers() == []
