"""Who can read the images and files that commands write, whom they belong to, and where they go."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.boot_images import OS_RELEASE, SAMPLE, Boot, boot_image
from support.resin_command import Run, resin

STRANGER, CALLER = 12_345, 12_346
FILES = {
    "config.json": '{"hostname": "old"}',
    "os-release": OS_RELEASE,
    "system-connections/resin-sample": SAMPLE,
}
WIFI = ("--ssid", "home", "--passphrase-file", "passphrase")


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boot]:
    """An image that everybody can read, and a passphrase, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("passphrase").write_text("correct horse\n")
    old = os.umask(0o022)
    made = boot_image(tmp_path / "image.img", FILES)
    made.path.chmod(0o644)
    yield made
    os.umask(old)


def mode(path: str | Path) -> int:
    return stat.S_IMODE(Path(path).lstat().st_mode)


def done(*words: str | Path) -> Run:
    run = resin(*words, "--yes")
    assert run.code == 0, run
    return run


@pytest.mark.usefixtures("boot")
@pytest.mark.parametrize(
    ("options", "expected"),
    [(WIFI, 0o600), (("--set", "deviceApiKey=1a"), 0o600), (("--hostname", "x"), 0o644)],
)
def test_a_copy_with_a_secret_is_private(options: tuple[str, ...], expected: int) -> None:
    done("configure", "image.img", *options, "--output", "new.img")
    assert mode("new.img") == expected
    done("flash", "image.img", "card.img", *options)
    assert mode("card.img") == expected


@pytest.mark.usefixtures("boot")
def test_a_plain_copy_has_the_permissions_of_the_image() -> None:
    done("flash", "image.img", "card.img")
    assert mode("card.img") == 0o644
    Path("image.img").chmod(0o600)
    done("flash", "image.img", "other.img")
    assert mode("other.img") == 0o600


@pytest.mark.usefixtures("boot")
def test_a_file_that_is_overwritten_with_a_secret_becomes_private() -> None:
    Path("card.img").touch(mode=0o666)
    run = done("flash", "image.img", "card.img", *WIFI)
    assert mode("card.img") == 0o600
    assert "card.img holds a secret" in run.err


def test_an_image_that_gets_a_secret_becomes_private(boot: Boot) -> None:
    assert "secret" not in done("configure", boot.path, "--hostname", "x").err
    assert mode(boot.path) == 0o644
    run = done("configure", boot.path, *WIFI)
    assert mode(boot.path) == 0o600
    assert f"{boot.path} holds a secret: only its owner can read it now (mode 0600)." in run.err
    assert not done("configure", boot.path, "--hostname", "y").err


def test_a_key_that_is_put_into_an_image_makes_it_private(boot: Boot) -> None:
    Path("client.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    done("image", "put", boot.path, "client.pem", "/system-connections")
    assert mode(boot.path) == 0o600


def test_what_may_hold_a_secret_is_copied_out_privately(boot: Boot) -> None:
    done("image", "get", boot.path, "/config.json", "/os-release", ".")
    done("image", "get", "--recursive", boot.path, "/system-connections", "backup")
    assert {path: mode(path) for path in ("config.json", "os-release", "backup/resin-sample")} == {
        "config.json": 0o600,
        "os-release": 0o644,
        "backup/resin-sample": 0o600,
    }
    Path("config.json").chmod(0o664)
    done("image", "get", boot.path, "/config.json", ".")
    assert mode("config.json") == 0o600


@pytest.mark.usefixtures("boot")
def test_under_sudo_new_files_belong_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(CALLER))
    monkeypatch.setenv("SUDO_GID", str(CALLER))
    done("configure", "image.img", *WIFI, "--output", "new.img")
    done("flash", "image.img", "card.img", "--receipt", "card.json")
    done("image", "get", "--recursive", "image.img", "/system-connections", "backup/connections")
    for path in ("new.img", "card.img", "card.json", "backup", "backup/connections/resin-sample"):
        assert (Path(path).stat().st_uid, Path(path).stat().st_gid) == (CALLER, CALLER), path


@pytest.fixture
def shared(boot: Boot) -> Path:
    """A folder like /tmp, in which another user has made a link to a file of ours."""
    folder = boot.path.parent / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def link(place: Path, target: Path) -> None:
    place.symlink_to(target)
    os.chown(place, STRANGER, STRANGER, follow_symlinks=False)


@pytest.mark.usefixtures("boot")
@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(
    "words",
    [
        ("configure", "image.img", "--hostname", "x", "--output", "shared/out"),
        ("flash", "image.img", "shared/out"),
        ("flash", "image.img", "card.img", "--receipt", "shared/out"),
        ("image", "get", "image.img", "/config.json", "shared/out"),
    ],
)
def test_a_link_of_another_user_is_not_followed(words: tuple[str, ...], exists: bool, shared: Path) -> None:
    ours = Path("ours").absolute()
    if exists:
        ours.write_text("ours")
    link(shared / "out", ours)
    run = resin(*words, "--yes", "--json")
    assert run.code == 4, run
    assert run.error["code"] == "refused"
    assert "a link of another user" in run.error["message"]
    assert ours.exists() is exists
    assert not exists or ours.read_text() == "ours"


@pytest.mark.usefixtures("boot")
def test_a_link_of_another_user_to_a_folder_is_not_followed(shared: Path) -> None:
    Path("folder").mkdir()
    link(shared / "inner", Path("folder").absolute())
    run = resin("configure", "image.img", "--hostname", "x", "--output", "shared/inner/out")
    assert run.code == 4, run
    assert not list(Path("folder").iterdir())


@pytest.mark.usefixtures("boot")
def test_links_at_the_names_of_temporary_files_are_not_followed(shared: Path) -> None:
    ours = Path("ours").absolute()
    for name in (".out.{}.partial", ".out.{}"):
        link(shared / name.format(os.getpid()), ours)
    words = ("configure", "image.img", "--hostname", "x", "--output", "shared/out")
    assert resin(*words).code != 0
    assert resin("flash", "image.img", "card.img", "--receipt", "shared/out").code != 0
    assert resin("image", "get", "image.img", "/config.json", "shared/out").code != 0
    assert not ours.exists()


@pytest.mark.usefixtures("boot")
def test_own_links_are_followed() -> None:
    Path("folder").mkdir()
    Path("out").symlink_to("folder/card.img")
    done("configure", "image.img", "--hostname", "x", "--output", "out")
    assert Path("out").is_symlink()
    assert Path("folder/card.img").is_file()
    done("flash", "image.img", "out")
    assert Path("out").is_symlink()
