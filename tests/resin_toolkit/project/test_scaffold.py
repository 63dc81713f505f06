"""New projects: Dockerfiles are compared with the list of base images, and the sample apps are run."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from resin_toolkit.device.types import architectures, base_images, device_type
from resin_toolkit.errors import BadValue, Refused, ResinError
from resin_toolkit.project.dockerfile import Dockerfile, check_classic, parse_dockerfile
from resin_toolkit.project.dockerfile_choice import choose_dockerfile
from resin_toolkit.project.scaffold import (
    ProjectPlan,
    plan_project,
    project_files,
    project_languages,
    project_name,
    write_project,
)
from resin_toolkit.project.settings import read_settings

DISTROS = ("debian", "alpine", "fedora")
BOARDS = ("", "raspberry-pi", "raspberrypi3", "raspberrypi4-64", "intel-nuc", "qemux86")
STARTS = {
    "node": ("node", "main.js"),
    "python": ("python3", "-u", "main.py"),
    "openjdk": ("java", "-cp", "classes", "Main"),
    "golang": ("./main",),
}
COMPILERS = {
    "openjdk": ("javac", "-Xlint:all", "-Werror", "--release", "8", "-d", "classes", "Main.java"),
    "golang": ("go", "build", "-o", "main", "."),
}
RUNNABLE = [name for name in STARTS if shutil.which(COMPILERS.get(name, STARTS[name])[0])]


def every_plan() -> Iterator[ProjectPlan]:
    """A plan for each combination that exists."""
    for language in project_languages():
        for distro in DISTROS:
            for board in BOARDS:
                known = device_type(board) if board else None
                if known is None or any(base_images(known, distro=distro, language=language)):
                    yield plan_project(language, distro, known)


PLANS = list(every_plan())


def described(chosen: ProjectPlan) -> str:
    return f"{chosen.language}-{chosen.distro}-{chosen.board.slug if chosen.board else 'any'}"


def read(folder: Path, chosen: ProjectPlan, arch: str) -> Dockerfile:
    """The Dockerfile of a project, as it is built for a device of that architecture."""
    if not (folder / "resin.toml").exists():
        write_project(folder, project_files(chosen, "radio"))
    recipe = choose_dockerfile(folder, None, [chosen.board.slug] if chosen.board else [], arch)
    assert recipe.name == "Dockerfile.template"
    dockerfile = parse_dockerfile(recipe.text, recipe.name)
    check_classic(dockerfile)
    return dockerfile


@contextmanager
def running(folder: Path, language: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The app of a project, once it has said that it listens."""
    if language in COMPILERS:
        subprocess.run(COMPILERS[language], cwd=folder, check=True, capture_output=True, timeout=120)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    words = [sys.executable if word == "python3" else word for word in STARTS[language]]
    app = subprocess.Popen(
        words,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PORT": str(port), "RESIN_DEVICE_TYPE": "toaster"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert app.stdout is not None
        assert app.stdout.readline() == f"Listening on port {port}.\n"
        yield app, port
    finally:
        app.kill()
        app.communicate()


# the Dockerfile


@pytest.mark.parametrize("chosen", PLANS, ids=described)
def test_the_dockerfile_is_on_images_that_exist(tmp_path: Path, chosen: ProjectPlan) -> None:
    for arch in chosen.architectures:
        there = {image.reference for image in base_images(chosen.board or arch)}
        used = [stage.base for stage in read(tmp_path, chosen, arch).stages]
        assert set(used) <= there
        assert used[-1] == chosen.image.replace("%%BALENA_ARCH%%", arch)
        assert used[0] == chosen.build_image.replace("%%BALENA_ARCH%%", arch)


@pytest.mark.parametrize("chosen", PLANS, ids=described)
def test_the_dockerfile_fits_together(tmp_path: Path, chosen: ProjectPlan) -> None:
    dockerfile = read(tmp_path, chosen, chosen.architectures[0])
    names = [stage.name for stage in dockerfile.stages]
    assert names == (["build", ""] if chosen.language in COMPILERS else [""])
    last = dockerfile.stages[-1].instructions
    copied = [step.flags["from"] for step in last if "from" in step.flags]
    assert copied == [name for name in names if name]
    assert last[-1].keyword == "CMD"
    assert last[-1].is_json
    assert Path(last[-1].arguments[0]).name == Path(STARTS[chosen.language][0]).name
    for step in dockerfile.stages[0].instructions:
        if step.keyword == "COPY":
            assert (tmp_path / step.arguments[0]).exists()


@pytest.mark.parametrize("language", project_languages())
@pytest.mark.parametrize("distro", DISTROS)
def test_a_project_for_any_board_is_for_most(language: str, distro: str) -> None:
    chosen = plan_project(language, distro)
    having = [arch for arch in architectures() if any(base_images(arch, distro=distro, language=language))]
    assert set(chosen.architectures) <= set(having)
    assert {"aarch64", "amd64"} <= set(chosen.architectures)
    assert "%%BALENA_ARCH%%" in chosen.image


def test_a_board_gets_the_images_of_its_own() -> None:
    assert plan_project("python", "debian", device_type("raspberrypi3")) == ProjectPlan(
        "python", "debian", device_type("raspberrypi3"),
        "balenalib/raspberrypi3-debian-python:3.11.2-bookworm-run",
        "balenalib/raspberrypi3-debian-python:3.11.2-bookworm-run", ("armv7hf",),
    )  # fmt: skip
    assert plan_project("openjdk", "alpine", device_type("nuc")).image == (
        "balenalib/intel-nuc-alpine-openjdk:8-jre-3.18-run"
    )


@pytest.mark.parametrize(
    ("language", "distro", "board", "message", "hint"),
    [
        ("python", "fedora", "raspberry-pi",
         "There are no base images of Fedora with Python for raspberry-pi (rpi).",
         "Python is available on Alpine, Debian."),
        ("openjdk", "ubuntu", "", "There are no base images of Ubuntu with Java.",
         "Java is available on Alpine, Debian, Fedora."),
        ("python", "debian", "iot2000",
         "There are no base images of Debian with Python for iot2000 (i386-nlp).",
         "Only images without a language are available."),
        ("dotnet", "debian", "", "There is no project template for .NET.",
         "There are templates for Node.js, Python, Go, Java."),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_refused_with_what_does(
    language: str, distro: str, board: str, message: str, hint: str
) -> None:
    with pytest.raises(BadValue) as failure:
        plan_project(language, distro, device_type(board) if board else None)
    assert failure.value.message == message
    assert failure.value.hint.startswith(hint)


# the other files


@pytest.mark.parametrize("chosen", PLANS, ids=described)
def test_resin_toml_can_be_read_with_each_of_its_examples(tmp_path: Path, chosen: ProjectPlan) -> None:
    write_project(tmp_path, project_files(chosen, "radio"))
    settings = read_settings(tmp_path)
    assert settings.name == "radio"
    assert settings.device_type == (chosen.board.slug if chosen.board else "")
    path = tmp_path / "resin.toml"
    path.write_text(re.sub(r"^# (?=\w+ = )", "", path.read_text(), flags=re.MULTILINE))
    settings = read_settings(tmp_path)
    assert settings.device == "kitchen"
    assert not settings.run.data
    assert settings.run.ports


@pytest.mark.parametrize("language", project_languages())
def test_nothing_is_left_to_fill_in(language: str) -> None:
    texts = project_files(plan_project(language, "debian"), "radio")
    assert not [name for name, text in texts.items() if re.search(r"@[A-Z_]+@", text)]
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in texts.values())
    assert {"Dockerfile.template", "resin.toml", ".dockerignore"} < set(texts)


def test_package_json_is_json() -> None:
    package = json.loads(project_files(plan_project("node", "debian"), "radio")["package.json"])
    assert package["name"] == "radio"
    assert package["main"] == "main.js"


def test_the_name_is_made_of_the_folders(tmp_path: Path) -> None:
    assert project_name(tmp_path / "My Radio!") == "my-radio"
    assert project_name(Path("/")) == "app"


# the app


@pytest.mark.parametrize("language", RUNNABLE)
def test_the_app_serves_and_stops_when_it_is_told_to(tmp_path: Path, language: str) -> None:
    write_project(tmp_path, project_files(plan_project(language, "debian"), "radio"))
    with running(tmp_path, language) as (app, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert answer.read() == b"Hello from toaster!\n"
        app.send_signal(signal.SIGTERM)
        assert app.wait(timeout=30) == 0


@pytest.mark.parametrize("language", project_languages())
def test_the_app_is_on_port_80_unless_told_otherwise(language: str) -> None:
    texts = project_files(plan_project(language, "debian"), "radio")
    [app] = [text for name, text in texts.items() if name.lower().startswith("main.")]
    assert re.search(r"\b80\b", app)
    assert "SIGTERM" in app or "ShutdownHook" in app


# writing it


def texts() -> dict[str, str]:
    return dict(project_files(plan_project("python", "debian"), "radio"))


def test_the_folder_is_made(tmp_path: Path) -> None:
    write_project(tmp_path / "a" / "b", texts())
    written = {path.name: path.read_text() for path in (tmp_path / "a" / "b").iterdir()}
    assert written == texts()


@pytest.mark.parametrize(
    "name", ["main.py", "resin.toml", ".dockerignore", "Dockerfile", "Dockerfile.aarch64",
             "docker-compose.yml", "compose.yaml"],
)  # fmt: skip
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    (tmp_path / "README").write_text("not in the way")
    with pytest.raises(Refused) as failure:
        write_project(tmp_path, texts())
    assert failure.value.message == f"{tmp_path} already contains a project: {name}."
    assert {path.name for path in tmp_path.iterdir()} == {name, "README"}
    assert (tmp_path / name).read_text() == "mine"


def test_a_link_to_nowhere_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "main.py").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        write_project(tmp_path, texts())
    assert not (tmp_path / "elsewhere").exists()


def test_what_was_begun_is_taken_back_where_it_cannot_be_ended(tmp_path: Path) -> None:
    with pytest.raises(ResinError):
        write_project(tmp_path, {**texts(), "no/such/folder": "x"})
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadValue):
        write_project(tmp_path / "file", texts())
