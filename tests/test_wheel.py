"""The wheel and the source archive: what is in them, and that each installs and runs on its own."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.build import build_sdist

import resin_toolkit

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
    words = [
        "wheel",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        CHECKOUT,
    ]
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


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, as the build backend makes it from the checkout."""
    folder = tmp_path_factory.mktemp("sdist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(CHECKOUT)
        return folder / build_sdist(str(folder))


def test_the_source_archive_holds_the_program_its_tests_and_its_documentation(sdist: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    wanted = {
        path
        for path in listed.stdout.splitlines()
        if path.partition("/")[0] in {*PACKAGES, "tests", "docs", "completions"}
    }
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {path.partition("/")[0] for path in wanted} == {*PACKAGES, "tests", "docs", "completions"}
    pages = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"}
    assert wanted | pages | {"pyproject.toml"} <= names


@pytest.mark.parametrize("form", ["wheel", "sdist"])
def test_it_installs_in_an_empty_tree_and_runs_the_demo(
    form: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    archive: Path = request.getfixturevalue(form)
    # Only what pip installs is in the tree; dependencies and the build backend are those of this environment.
    tree = tmp_path / "tree"
    venv.create(tree, with_pip=False)
    python = tree / "bin" / "python"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed"]
    pip = [sys.executable, "-m", "pip", "--python", python, "install", *options, archive]
    (site,) = (tree / "lib").glob("python3*/site-packages")
    (site / "dependencies.pth").write_text(f"{Path(pytest.__file__).parent.parent}\n")
    subprocess.run(pip, check=True, cwd=tmp_path, timeout=300)
    shown = _run(tree, tmp_path, python, "-c", "import resin_toolkit; print(resin_toolkit.__file__)")
    assert Path(shown.strip()).is_relative_to(site)
    assert resin_toolkit.__version__ in _run(tree, tmp_path, tree / "bin" / "resin", "--version")
    assert _run(tree, tmp_path, tree / "bin" / "resin", "demo")


def _run(tree: Path, folder: Path, *words: str | Path) -> str:
    env = {"PATH": f"{tree / 'bin'}:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(folder)}
    done = subprocess.run(
        words,
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done
    return done.stdout
