"""`resin init`: what it writes, prompts for and lists, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.resin_command import PROGRAM, Terminal, environment, program, resin

FILES = {"Dockerfile.template", "main.py", "resin.toml", ".dockerignore"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def on_terminal(folder: Path, *words: str) -> Terminal:
    """The program on a terminal; its folder is made first, so that nothing is in the way."""
    return Terminal("init", str(folder), *words)


def test_a_project_is_created(tmp_path: Path) -> None:
    run = resin("init", tmp_path / "radio", "--language", "go", "--distro", "alpine", "--device-type", "NUC")
    assert run.code == 0, run
    assert run.err == ""
    assert names(tmp_path / "radio") == {
        "Dockerfile.template", "go.mod", "main.go", "resin.toml", ".dockerignore",
    }  # fmt: skip
    head, files, built, runs, following = run.out.splitlines()
    assert head == "radio: Go on Alpine, for Intel NUC"
    assert files.split() == [
        "files",
        "Dockerfile.template",
        "go.mod",
        "main.go",
        "resin.toml",
        ".dockerignore",
    ]
    assert built.split() == ["built", "on", "balenalib/intel-nuc-alpine-golang:1.20.1-3.20-build"]
    assert runs.split() == ["runs", "on", "balenalib/intel-nuc-alpine:3.20-run"]
    assert following.split() == ["next", "resin", "push", "--source", str(tmp_path / "radio")]
    assert 'device_type = "intel-nuc"\n' in (tmp_path / "radio" / "resin.toml").read_text()


def test_without_a_terminal_defaults_are_used_and_printed(tmp_path: Path) -> None:
    run = program("init", cwd=tmp_path)
    assert run.code == 0, run
    assert run.err == "Using defaults: Python (--language), Debian (--distro), any board (--device-type).\n"
    assert names(tmp_path) == FILES
    assert run.out.splitlines()[-1].split() == ["next", "resin", "push"]


def test_as_json(tmp_path: Path) -> None:
    run = resin("init", tmp_path / "a", "--json", "--device-type", "raspberrypi")
    assert run.data == {
        "folder": str(tmp_path / "a"),
        "name": "a",
        "files": ["Dockerfile.template", "main.py", "resin.toml", ".dockerignore"],
        "language": "python",
        "distro": "debian",
        "device_type": "raspberry-pi",
        "architectures": ["rpi"],
        "image": "balenalib/raspberry-pi-debian-python:3.11.2-bookworm-run",
        "build_image": "balenalib/raspberry-pi-debian-python:3.11.2-bookworm-run",
    }
    assert run.err == ""


@pytest.mark.parametrize(
    ("word", "file"),
    [("node", "main.js"), ("Node.js", "main.js"), ("javascript", "main.js"), ("golang", "main.go"),
     ("OpenJDK", "Main.java"), ("py", "main.py")],
)  # fmt: skip
def test_a_language_by_any_of_its_names(tmp_path: Path, word: str, file: str) -> None:
    assert resin("init", tmp_path, "--language", word).code == 0
    assert (tmp_path / file).exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--language", "cobol"], "There are no base images of the language 'cobol'."),
        (["--distro", "slackware"], "There are no base images of the distribution 'slackware'."),
        (["--device-type", "toaster"], "Unknown device type 'toaster'."),
        (["--device-type", "raspberry-pi", "--distro", "fedora"],
         "There are no base images of Fedora with Python for raspberry-pi (rpi)."),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_refused_and_nothing_written(
    tmp_path: Path, words: list[str], error: str
) -> None:
    run = resin("init", tmp_path / "a", *words, "--json")
    assert run.code == 2
    assert run.error["code"] == "bad-value"
    assert run.error["message"] == error
    assert run.error["hint"]
    assert not (tmp_path / "a").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("mine")
    (tmp_path / "Dockerfile").write_text("mine")
    run = resin("init", tmp_path)
    assert run.code == 4
    assert "already contains a project: Dockerfile.\n" in run.err
    (tmp_path / "Dockerfile").unlink()
    run = resin("init", tmp_path)
    assert run.code == 4
    assert "already contains a project: main.py.\n" in run.err
    assert (tmp_path / "main.py").read_text() == "mine"
    assert names(tmp_path) == {"main.py"}


def test_on_a_terminal_it_prompts_for_missing_options(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path / "radio")
    shown = terminal.until("Language [1-4]: ")
    assert [line.split() for line in shown.splitlines()[:4]] == [
        ["1", "Node.js"], ["2", "Python"], ["3", "Go"], ["4", "Java"],
    ]  # fmt: skip
    terminal.type("1\n")
    terminal.until("Distribution [debian]: ")
    terminal.type("debain\n")
    terminal.until("Did you mean 'debian'?")
    terminal.until("Distribution [debian]: ")
    terminal.type("Alpine\n")
    terminal.until("Device type (any board if empty): ")
    terminal.type("rasberrypi3\n")
    terminal.until("Did you mean 'raspberrypi3'?")
    terminal.type("raspberrypi3\n")
    assert terminal.end() == 0
    assert "radio: Node.js on Alpine, for Raspberry Pi 3" in terminal.plain
    assert (tmp_path / "radio" / "main.js").exists()


def test_on_a_terminal_an_empty_answer_is_any_board(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path / "radio", "--language", "java", "--distro", "debian")
    terminal.until("Device type (any board if empty): ")
    terminal.type("\n")
    assert terminal.end() == 0
    assert "%%BALENA_ARCH%%" in (tmp_path / "radio" / "Dockerfile.template").read_text()


def test_an_existing_project_is_refused_before_any_prompt(tmp_path: Path) -> None:
    (tmp_path / "resin.toml").write_text("")
    terminal = on_terminal(tmp_path)
    assert terminal.end() == 4
    assert "Language" not in terminal.plain


def test_no_input_disables_prompts(tmp_path: Path) -> None:
    terminal = on_terminal(tmp_path / "a", "--no-input")
    assert terminal.end() == 0
    assert names(tmp_path / "a") == FILES


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = resin("init", tmp_path / "file" / "a")
    assert run.code == 3
    assert str(tmp_path / "file") in run.err


def test_the_base_images_are_listed() -> None:
    data = resin("init", "--list", "--json").data
    references = {image["reference"] for image in data["images"]}
    assert len(references) == len(data["images"]) > 500
    assert data["images"][0] == {
        "reference": "balenalib/aarch64-alpine:3.21-run",
        "distro": "alpine",
        "release": "3.21",
        "language": None,
        "version": None,
        "variant": "run",
    }


def test_the_list_is_narrowed_down() -> None:
    words = ("--device-type", "raspberrypi3", "--language", "python", "--distro", "debian")
    run = resin("init", "--list", *words)
    head, row, empty, total = run.out.splitlines()
    assert head.split() == ["IMAGE", "VERSION", "RELEASE"]
    assert row.split() == [
        "balenalib/raspberrypi3-debian-python", "3.11.2", "3.10.10", "3.9.16", "3.8.16",
        "bookworm", "bullseye", "buster", "sid",
    ]  # fmt: skip
    assert empty == ""
    assert total == "32 images, such as balenalib/raspberrypi3-debian-python:3.11.2-bookworm-run"
    assert len(resin("init", "--list", *words, "--json").data["images"]) == 32


def test_an_empty_list_is_an_error_with_alternatives() -> None:
    run = resin("init", "--list", "--device-type", "raspberry-pi", "--distro", "fedora")
    assert run.code == 2
    assert run.err == (
        "error: There are no base images of Fedora for raspberry-pi (rpi).\n"
        "hint: Available: Alpine, Debian.\n"
    )


def test_a_list_writes_nothing(tmp_path: Path) -> None:
    assert program("init", "--list", cwd=tmp_path).code == 0
    assert names(tmp_path) == set()


def test_from_an_installed_package_the_templates_are_there(tmp_path: Path) -> None:
    """From any folder, even one that has a package of that name of its own."""
    (tmp_path / "resin_toolkit").mkdir()
    (tmp_path / "resin_toolkit" / "__init__.py").write_text("raise SystemExit('not this one')")
    run = program("init", "a", cwd=tmp_path, env=environment(PATH=os.environ["PATH"]), command=(PROGRAM,))
    assert run.code == 0, run
    assert names(tmp_path / "a") == FILES
