"""Logins of registries that a program keeps, settings that are broken, and what is told of all that."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from support.loopback_server import serving
from support.registry_logins import (  # noqa: F401 - fixtures
    HUB,
    SECRET,
    SHOP,
    Heard,
    Recorder,
    at,
    build,
    configure,
    entry,
    header_for,
    helper,
    login,
    nobodys_home,
    pull,
    reached_engine,
    recording_engine,
    what_is_heard,
)

from resin_toolkit.engine import Engine, connect
from resin_toolkit.engine.credentials import Credentials
from resin_toolkit.errors import Notice, ResinError

KEEPS = """
case "$1 $server" in
  "get {}") printf '{{"Username": "%s", "Secret": "kept"}}' '{}' ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


@pytest.mark.parametrize("settings", [{"credsStore": "drawer"}, {"credHelpers": {SHOP: "drawer"}}])
def test_a_credential_helper(
    settings: dict[str, object],
    reached: Engine,
    heard: Heard,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    helper(home, KEEPS.format(SHOP, "ann"), monkeypatch)
    configure(home, **settings)
    sent = header_for(reached, f"{SHOP}/cart", heard)
    assert sent == {"username": "ann", "password": "kept", "serveraddress": SHOP}
    assert header_for(reached, "debian", heard) is None
    assert heard.codes() == ["login-unencrypted"]


def test_a_credential_helper_for_dockers_own_registry(
    reached: Engine, heard: Heard, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(home, KEEPS.format(HUB, "hub"), monkeypatch)
    configure(home, credsStore="drawer")
    sent = header_for(reached, "debian", heard)
    assert sent == {"username": "hub", "password": "kept", "serveraddress": HUB}


@pytest.mark.parametrize("version", ["1.22", "1.23"])
def test_a_token(version: str, heard: Heard, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines of API 1.22 know none: they are sent none."""
    helper(home, KEEPS.format(SHOP, "<token>"), monkeypatch)
    configure(home, credsStore="drawer")
    with serving(Recorder(version).serve) as place, connect(at(place.port)) as engine:
        sent = header_for(engine, f"{SHOP}/cart", heard)
    if version == "1.23":
        assert sent == {"identitytoken": "kept", "serveraddress": SHOP}
    else:
        assert sent is None
        assert heard.codes() == ["no-login"]


@pytest.mark.parametrize(
    "script",
    [
        f"echo 'locked: {SECRET}'; exit 1",
        f"echo 'no JSON {SECRET}'",
        f"echo '[\"{SECRET}\"]'",
        f'echo \'{{"Secret": "{SECRET}"}}\'',
        f"printf '\\377{SECRET}'; exit 1",
    ],
)
def test_a_credential_helper_that_fails(
    script: str,
    reached: Engine,
    recorder: Recorder,
    heard: Heard,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    helper(home, script, monkeypatch)
    configure(home, credsStore="drawer")
    pull(reached, heard)
    assert recorder.sent("/images/create", "X-Registry-Auth") is None
    assert heard.notices == [
        Notice("no-login", f"Your login for {SHOP} is not used: docker-credential-drawer failed.")
    ]


def test_a_program_that_is_not_there(reached: Engine, recorder: Recorder, heard: Heard, home: Path) -> None:
    configure(home, credHelpers={SHOP: "nowhere"})
    pull(reached, heard)
    assert recorder.sent("/images/create", "X-Registry-Auth") is None
    [notice] = heard.notices
    assert notice.code == "no-login"
    assert SHOP in notice.message
    assert "docker-credential-nowhere is not installed" in notice.message


BROKEN = [
    f"{{{SECRET}",
    "[" * 100_000,
    "[]",
    json.dumps({"auths": 1}),
    json.dumps({"credsStore": ["a"]}),
    json.dumps({"auths": {SHOP: {"auth": 1}}}),
    json.dumps({"auths": {SHOP: {"auth": base64.b64encode(SECRET.encode()).decode()}}}),
    json.dumps({"auths": {SHOP: SECRET}}),
]


@pytest.mark.parametrize("content", BROKEN)
def test_broken_settings(
    content: str, reached: Engine, recorder: Recorder, heard: Heard, home: Path, tmp_path: Path
) -> None:
    (home / ".docker" / "config.json").write_text(content)
    pull(reached, heard)
    build(reached, heard, tmp_path / "project", f"FROM {SHOP}/base\n")
    assert recorder.sent("/images/create", "X-Registry-Auth") is None
    assert recorder.sent("/build", "X-Registry-Config") is None
    assert heard.codes() == ["no-login"] * 2
    for notice in heard.notices:
        assert SHOP in notice.message
        assert str(home / ".docker" / "config.json") in notice.message
        assert SECRET not in notice.message


def test_settings_that_cannot_be_read(reached: Engine, heard: Heard, home: Path) -> None:
    (home / ".docker" / "config.json").mkdir()
    assert header_for(reached, f"{SHOP}/cart", heard) is None
    assert heard.codes() == ["no-login"]


def test_a_malformed_entry_affects_no_other(reached: Engine, heard: Heard, home: Path) -> None:
    configure(home, auths={"bakery.example": {"auth": 1}, "mill.example": 7, SHOP: entry("ann")})
    assert header_for(reached, f"{SHOP}/cart", heard) == login(SHOP, "ann")
    assert heard.codes() == ["login-unencrypted"]


def test_notices_contain_no_secret(
    reached: Engine, recorder: Recorder, heard: Heard, home: Path, tmp_path: Path
) -> None:
    configure(home, auths={SHOP: entry("ann")})
    recorder.refuses = True
    told: list[str] = []
    for act in (
        lambda: pull(reached, heard),
        lambda: build(reached, heard, tmp_path / "project", f"FROM {SHOP}/base\n"),
    ):
        with pytest.raises(ResinError, match="the registry is away") as caught:
            act()
        told.append(f"{caught.value} {caught.value.hint} {caught.value.facts}")
    told += [*heard.words, *(notice.message for notice in heard.notices)]
    sent = [value for _, head in recorder.heads for name, value in head.items() if "Registry" in name]
    assert len(sent) == 2
    for secret in (SECRET, entry("ann")["auth"], *sent):
        assert not [words for words in told if secret in words]


def test_an_unencrypted_login_is_warned_of_once(reached: Engine, heard: Heard, home: Path) -> None:
    configure(home, auths={SHOP: entry("ann"), HUB: entry("hub")})
    for reference in (f"{SHOP}/cart", f"{SHOP}/box", "debian", "debian", "free.example/a"):
        Credentials(reached, heard.warn).for_pull(reference)
    assert heard.codes() == ["login-unencrypted"] * 2
    first, second = (notice.message for notice in heard.notices)
    assert first.startswith(f"Your login for {SHOP} is sent to board unencrypted")
    assert "docker.io" in second
    assert not [notice for notice in heard.notices if SECRET in notice.message]


def test_without_a_state_file_the_warning_is_repeated(
    reached: Engine, heard: Heard, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home, auths={SHOP: entry("ann")})
    (home / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "file"))
    for _ in range(2):
        assert header_for(reached, f"{SHOP}/cart", heard) == login(SHOP, "ann")
    assert heard.codes() == ["login-unencrypted"] * 2
