"""Which Dockerfile builds, and what becomes of its variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from resin_toolkit.errors import BadValue, PathNotFound
from resin_toolkit.project.dockerfile_choice import ChosenDockerfile, choose_dockerfile


def chosen(folder: Path, *names: str, arch: str = "armv7hf") -> str:
    return choose_dockerfile(folder, None, names, arch).name


ALL = ("Dockerfile.raspberrypi3", "Dockerfile.armv7hf", "Dockerfile.template", "Dockerfile")


@pytest.mark.parametrize("first", range(4))
def test_the_most_special_one_is_taken(tmp_path: Path, first: int) -> None:
    for name in ALL[first:]:
        (tmp_path / name).write_text(name)
    assert choose_dockerfile(tmp_path, None, ("raspberrypi3",), "armv7hf").text == ALL[first]


def test_a_machine_goes_by_several_names_its_own_first(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile.raspberry-pi2").write_text("old")
    assert chosen(tmp_path, "raspberrypi2", "raspberry-pi2") == "Dockerfile.raspberry-pi2"
    (tmp_path / "Dockerfile.raspberrypi2").write_text("new")
    assert chosen(tmp_path, "raspberrypi2", "raspberry-pi2") == "Dockerfile.raspberrypi2"


def test_without_a_machine_the_architecture_or_the_plain_one_builds(tmp_path: Path) -> None:
    for name in ALL:
        (tmp_path / name).write_text(name)
    assert chosen(tmp_path) == "Dockerfile.armv7hf"
    assert chosen(tmp_path, arch="") == "Dockerfile.template"


def test_one_that_is_named_wins(tmp_path: Path) -> None:
    for name in ALL:
        (tmp_path / name).write_text(name)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "Dockerfile").write_text("named %%RESIN_ARCH%%")
    found = choose_dockerfile(tmp_path, "docker/Dockerfile", ("raspberrypi3",), "armv7hf")
    assert found == ChosenDockerfile(
        tmp_path / "docker" / "Dockerfile", "docker/Dockerfile", "named %%RESIN_ARCH%%", False
    )


@pytest.mark.parametrize("name", ALL[:3])
def test_variables_are_replaced_in_all_but_the_plain_one(tmp_path: Path, name: str) -> None:
    words = "%%{0}_MACHINE_NAME%% %%{0}_ARCH%% %%{0}_SERVICE_NAME%% %%{0}_APP_NAME%%\n"
    text = words.format("RESIN") + words.format("BALENA")
    (tmp_path / name).write_text(text)
    found = choose_dockerfile(
        tmp_path, None, ("raspberrypi3",), "armv7hf", service="main", application="fleet"
    )
    assert found.text == "raspberrypi3 armv7hf main fleet\n" * 2
    assert found.is_template
    (tmp_path / name).unlink()
    (tmp_path / "Dockerfile").write_text(text)
    plain = choose_dockerfile(tmp_path, None, ("raspberrypi3",), "armv7hf")
    assert (plain.text, plain.is_template) == (text, False)


def test_a_variable_that_does_not_exist_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile.template").write_text("FROM scratch\n\nLABEL a=%%RESIN_MACHIN_NAME%%\n")
    with pytest.raises(BadValue, match=r"Dockerfile.template, line 3: .*%%RESIN_MACHIN_NAME%%") as failure:
        choose_dockerfile(tmp_path, None, ("raspberrypi3",), "armv7hf")
    assert failure.value.hint == "Did you mean %%RESIN_MACHINE_NAME%%?"
    assert failure.value.facts["line"] == 3


@pytest.mark.parametrize(("name", "word"), [("RESIN_MACHINE_NAME", "type"), ("BALENA_ARCH", "architecture")])
def test_a_value_that_is_not_known_is_to_be_told(tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / "Dockerfile.template").write_text(f"FROM x/%%{name}%%\n")
    with pytest.raises(BadValue, match=f"line 1: .*the (device )?{word} is unknown") as failure:
        choose_dockerfile(tmp_path)
    assert "--device-type" in failure.value.hint


def test_a_comment_may_say_what_it_likes_and_a_percent_sign_is_no_variable(tmp_path: Path) -> None:
    text = "# %%FOO%% and %%RESIN_ARCH%%\nFROM scratch\nRUN date +%%d; true 100%%\n"
    (tmp_path / "Dockerfile.template").write_text(text)
    assert choose_dockerfile(tmp_path).text == text


def test_a_project_without_any_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound, match="has no Dockerfile") as failure:
        choose_dockerfile(tmp_path)
    assert failure.value.hint == "Create a project with `resin init`."
    (tmp_path / "Dockerfile").mkdir()
    with pytest.raises(PathNotFound):
        choose_dockerfile(tmp_path)


@pytest.mark.parametrize(
    ("there", "hint"),
    [
        ("dockerfile", "There is dockerfile: rename it to Dockerfile,"),
        ("DockerFile.Template", "There is DockerFile.Template: rename it to Dockerfile.template,"),
        ("dockerfile.raspberrypi3", "rename it to Dockerfile.raspberrypi3,"),
        ("Dockerfile.intel-nuc", "--device-type intel-nuc"),
        ("Dockerfile.dockerignore", "`resin init`"),
    ],
)
def test_a_name_that_nearly_fits_is_pointed_out(tmp_path: Path, there: str, hint: str) -> None:
    (tmp_path / there).write_text("")
    with pytest.raises(PathNotFound) as failure:
        choose_dockerfile(tmp_path, None, ("raspberrypi3",), "armv7hf")
    assert hint in failure.value.hint


def test_a_named_one_that_is_missing_is_not_replaced_by_another(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "Dockerfile.prod").write_text("FROM scratch\n")
    with pytest.raises(PathNotFound, match=r"has no Dockerfile\.prd\.") as failure:
        choose_dockerfile(tmp_path, "Dockerfile.prd")
    assert failure.value.hint == "Did you mean Dockerfile.prod?"


def test_bytes_that_are_no_text_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile.template").write_bytes(b"FROM scratch\nLABEL a=\xff\xe4\n")
    assert (
        choose_dockerfile(tmp_path).text.encode("utf-8", "surrogateescape")
        == b"FROM scratch\nLABEL a=\xff\xe4\n"
    )
