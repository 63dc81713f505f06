"""The boards, their architectures and their base images."""

from __future__ import annotations

import re

import pytest

from resin_toolkit.device.types import (
    DeviceType,
    all_device_types,
    architectures,
    base_images,
    device_type,
    distro,
    language,
    languages,
    os_architecture,
)
from resin_toolkit.errors import BadValue

REFERENCE = re.compile(
    r"balenalib/[a-z0-9-]+-(alpine|debian|fedora|ubuntu)(-(node|python|golang|openjdk|dotnet))?"
    r":([a-z0-9.]+-)?([0-9.]+-(sdk|runtime|aspnet)-|[0-9]+-j(dk|re)-)?[a-z0-9.]+-(run|build)"
)


def test_every_board_is_there_once() -> None:
    boards = all_device_types()
    assert len(boards) == len({board.slug for board in boards}) == 145
    assert {board.arch for board in boards} <= set(architectures())
    assert {board.boot for board in boards} == {"sdcard", "internal", "image"}


@pytest.mark.parametrize("board", all_device_types(), ids=lambda board: board.slug)
def test_a_board_is_known_by_all_of_its_names(board: DeviceType) -> None:
    for word in (board.slug, board.slug.upper(), board.name, *board.aliases):
        assert device_type(word) is board


def test_what_is_known_of_a_board() -> None:
    assert device_type("raspberrypi") == DeviceType(
        "raspberry-pi", "Raspberry Pi (v1 / Zero / Zero W)", "rpi", ("raspberrypi",), "sdcard"
    )
    assert device_type("NUC").slug == "intel-nuc"
    assert device_type("odroid-u3+").slug == "odroid-xu4"


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("rasberrypi3", "Did you mean 'raspberrypi3'?"),
        ("beaglebone_blak", "Did you mean 'beaglebone-black'?"),
        ("toaster", "Use a slug such as raspberrypi3 or intel-nuc."),
        ("", "Use a slug such as raspberrypi3 or intel-nuc."),
    ],
)
def test_an_unknown_device_type_is_an_error(word: str, hint: str) -> None:
    with pytest.raises(BadValue, match=f"Unknown device type {word!r}") as failure:
        device_type(word)
    assert failure.value.hint == hint


@pytest.mark.parametrize(
    ("word", "arch"),
    [
        ("x86_64", "amd64"),
        ("amd64", "amd64"),
        ("aarch64", "aarch64"),
        ("arm64", "aarch64"),
        ("armv7l", "armv7hf"),
        ("arm", "armv7hf"),
        ("armv6l", "rpi"),
        ("i686", "i386"),
        ("386", "i386"),
        ("riscv64", ""),
        ("", ""),
    ],
)
def test_an_engines_architecture_in_the_words_of_the_os(word: str, arch: str) -> None:
    assert os_architecture(word) == arch


def test_the_os_knows_its_own_words() -> None:
    assert [os_architecture(arch) for arch in architectures()] == list(architectures())


def test_there_are_more_than_five_hundred_base_images_and_none_twice() -> None:
    found = [image for arch in architectures() for image in base_images(arch)]
    assert len({image.reference for image in found}) == len(found) > 500
    assert all(REFERENCE.fullmatch(image.reference) for image in found)


def test_base_images_of_a_board_have_its_name() -> None:
    [first, *_] = base_images(device_type("raspberrypi3"), distro="debian", language="python")
    assert first.reference == "balenalib/raspberrypi3-debian-python:3.11.2-bookworm-run"
    assert (first.distro, first.language, first.version, first.release, first.variant) == (
        "debian", "python", "3.11.2", "bookworm", "run",
    )  # fmt: skip


def test_base_images_without_a_language() -> None:
    [first, *others] = base_images("amd64", distro="alpine", language="", variant="build")
    assert first.reference == "balenalib/amd64-alpine:3.21-build"
    assert not any(image.language for image in others)


def test_old_names() -> None:
    [image, *_] = base_images(device_type("raspberrypi3"), distro="debian", language="python", old_names=True)
    assert image.reference == "resin/raspberrypi3-debian-python:3.11.2"
    assert next(base_images("rpi", distro="debian", old_names=True)).reference == "resin/rpi-debian:bookworm"


def test_what_does_not_exist_is_not_there() -> None:
    assert list(base_images(device_type("raspberry-pi"), distro="fedora")) == []
    assert list(base_images("armv5e")) == []
    java = {(i.distro, i.version) for i in base_images("aarch64", language="openjdk")}
    assert ("alpine", "11-jdk") not in java
    assert ("debian", "11-jdk") in java
    assert {image.release for image in base_images("armv7hf", distro="fedora")} == {"36"}


@pytest.mark.parametrize(
    ("word", "name"),
    [("Node.js", "node"), ("nodejs", "node"), ("JavaScript", "node"), ("Go", "golang"), ("java", "openjdk"),
     ("OpenJDK", "openjdk"), (" python ", "python"), (".NET", "dotnet")],
)  # fmt: skip
def test_languages_by_the_words_that_people_use(word: str, name: str) -> None:
    assert language(word) == name
    assert name in languages()


def test_a_language_or_distribution_that_there_is_not() -> None:
    with pytest.raises(BadValue, match="'cobol'") as failure:
        language("cobol")
    assert failure.value.hint == "Available: Node.js, Python, Go, Java, .NET."
    with pytest.raises(BadValue) as failure:
        distro("Debain")
    assert failure.value.hint == "Did you mean 'debian'?"
    assert distro("Debian") == "debian"
