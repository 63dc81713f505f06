"""The wheel: what is in it, and that it stays small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

CHECKOUT = Path(__file__).parent.parent
PACKAGES = ("commands", "image_tools", "resin_toolkit")
SHARED = {
    "share/bash-completion/completions/resin": "resin.bash",
    "share/zsh/site-functions/_resin": "_resin",
    "share/fish/vendor_completions.d/resin.fish": "resin.fish",
    "share/man/man1/resin.1": "resin.1",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It as pip builds it, from the checkout as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, CHECKOUT]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    (built,) = folder.iterdir()
    return built


def test_it_is_small_and_for_every_system(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert wheel.stat().st_size <= 1_500_000


def test_it_holds_the_packages_and_nothing_of_the_tests(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        (data,) = {name.partition("/")[0] for name in names if ".data/" in name}
        (facts,) = {name.partition("/")[0] for name in names if ".dist-info/" in name}
        assert {name.partition("/")[0] for name in names} == {*PACKAGES, data, facts}
        assert not [name for name in names if "test" in name.lower() or name.endswith((".pyc", ".so"))]
        shared = {f"{data}/data/{place}": file for place, file in SHARED.items()}
        assert {name for name in names if name.startswith(data)} == set(shared)
        for name, file in shared.items():
            assert archive.read(name) == (CHECKOUT / "completions" / file).read_bytes()


def test_it_holds_every_file_of_the_packages(wheel: Path) -> None:
    """Also what is not Python: the sample image, templates, the table of boards."""
    paths = (path for package in PACKAGES for path in (CHECKOUT / package).rglob("*") if path.is_file())
    wanted = {path.relative_to(CHECKOUT).as_posix() for path in paths if path.parent.name != "__pycache__"}
    assert len(wanted) > 300
    with ZipFile(wheel) as archive:
        assert wanted <= set(archive.namelist())
