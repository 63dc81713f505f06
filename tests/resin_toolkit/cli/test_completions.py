"""TAB in bash, zsh and fish: what they offer, by the scripts as a user gets them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest
from support.resin_command import PROGRAM
from support.seen_devices import DEVICES, SERVICES
from support.shells import SHELLS, Shell, shell

from resin_toolkit.cli.command_table import COMMANDS


@pytest.fixture(scope="module", params=SHELLS)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell in a folder with files of odd names, whose user has seen some devices."""
    home = tmp_path_factory.mktemp(f"home-{request.param}")
    state, folder = home / ".local" / "state" / "resin", home / "work"
    for made in (state, folder / "my project", folder / "garden"):
        made.mkdir(parents=True)
    for name in ("a card.img", "b%c.img", "c:d.img", "e=f.img"):
        (folder / name).touch()
    (folder / "my project" / "compose.yaml").write_text(COMPOSE)
    (folder / "garden" / "compose.yaml").write_text(COMPOSE)
    (state / "devices.json").write_text(json.dumps(DEVICES))
    (state / "services.json").write_text(json.dumps(SERVICES))
    with shell(request.param, home, folder) as started:
        yield started
    assert not list(home.rglob("owned"))
    assert "Traceback" not in started.screen
    assert "rror" not in started.screen


COMPOSE = """\
version: "2.1"
# services: nothing
services:
  # the first
  front:
    image: web
    environment:
      deep: 1
  "back":   # quoted
    build: .

  store: {image: db}
volumes:
  none:
"""


def test_an_empty_word_and_the_start_of_a_command(bench: Shell) -> None:
    assert bench.offers("resin ") == [entry.name for entry in COMMANDS]
    assert bench.offers("resin re") == ["restart", "reboot", "reset"]
    assert bench.offers("resin fl") == ["flash"]
    assert bench.offers("resin --quiet fl") == ["flash"]
    assert bench.offers("resin nonsense ") == []
    assert bench.offers(f"{PROGRAM} fl") == ["flash"]


def test_sub_commands_and_options(bench: Shell) -> None:
    assert bench.offers("resin image ") == ["info", "ls", "cat", "put", "get", "rm"]
    assert bench.offers("resin image c") == ["cat"]
    assert bench.offers("resin image ls --rec") == ["--recursive"]
    assert bench.offers("resin configure x --hostn") == ["--hostname"]
    assert bench.offers("resin --install") == ["--install-completion"]


def test_the_values_of_an_option(bench: Shell) -> None:
    assert bench.offers("resin configure x --security s") == ["sae"]
    assert bench.offers("resin configure x --security=s") == ["--security=sae"]
    assert bench.offers("resin configure x --security ") == ["wpa-psk", "sae", "open", "peap", "ttls", "tls"]
    assert bench.offers("resin configure x --unset os.ssh") == ["os.sshKeys"]
    assert bench.offers("resin configure x --set persistentLogging=") == [
        *(
            ["persistentLogging=true", "false"]
            if bench.name == "bash"
            else ["persistentLogging=true", "persistentLogging=false"]
        )
    ]
    assert bench.offers("resin configure x --ssid ") == []
    assert bench.offers("resin env --shell f") == ["fish"]
    assert bench.offers("resin init --language ") == ["node", "python", "golang", "openjdk"]
    assert bench.offers("resin init --distro a") == ["alpine"]
    assert bench.offers("resin push --device-type intel-n") == ["intel-nuc"]
    assert bench.offers("resin init --device-type=intel-n") == ["--device-type=intel-nuc"]


def test_a_key_is_followed_by_its_value_without_a_space(bench: Shell) -> None:
    if bench.name == "fish":
        assert bench.offers("resin configure x --set persist") == ["persistentLogging="]
    else:
        line = "resin configure x --set persistentLogging="
        assert bench.tab("resin configure x --set persist") == line
        assert bench.tab("resin configure x --security=sa") == "resin configure x --security=sae "


def test_devices_seen_recently(bench: Shell) -> None:
    assert bench.offers("resin ps ") == ["kitchen", "garden", "fe80::1%eth0", "2001:db8::7"]
    assert bench.offers("resin ps kit") == ["kitchen"]
    assert bench.offers("resin ps kitchen.l") == ["kitchen.local"]
    assert bench.offers("resin wait ga") == ["garden"]
    for typed in ("fe", "fe80:", "fe80::", "fe80::1%"):
        assert bench.offers(f"resin ps {typed}") == ["fe80::1%eth0"]
    assert bench.offers("resin ps 2001:db8:") == ["2001:db8::7"]
    if bench.name != "fish":
        assert bench.tab('resin ps "fe80:') == 'resin ps "fe80::1%eth0" '
        assert bench.tab("resin ps 'fe80:") == "resin ps 'fe80::1%eth0' "
        assert shlex.split(bench.tab("resin ps kit'ch")) == ["resin", "ps", "kitchen"]


def test_after_two_dashes(bench: Shell) -> None:
    assert bench.offers("resin ps -- kit") == ["kitchen"]
    assert bench.offers("resin ps -- --al") == []
    assert bench.offers("resin ssh kitchen -- ") == []
    assert bench.offers("resin ssh -- kit") == []


def test_the_services_of_a_device(bench: Shell) -> None:
    assert bench.offers("resin ps garden ") == ["radio"]
    assert bench.offers("resin stop kitchen.local ") == ["web", "database"]
    assert bench.offers("resin logs --service ") == ["web", "database"]
    assert bench.offers("resin logs ssh://root@garden --service=") == ["--service=radio"]
    assert bench.offers("resin ssh nowhere --service ") == []


def test_the_services_of_a_project(bench: Shell) -> None:
    assert bench.offers("resin push --source garden --service ") == ["front", "back", "store"]
    assert bench.offers("resin push --source=garden --service fr") == ["front"]
    assert bench.offers("resin push --service ") == ["web", "database"]


def test_files_of_odd_names(bench: Shell) -> None:
    assert bench.offers("resin flash a") == ["a card.img"]
    assert bench.offers("resin flash b") == ["b%c.img"]
    assert bench.offers("resin image info c") == ["c:d.img"]
    assert bench.offers("resin emulate c") == ["c:d.img"]
    assert bench.offers("resin emulate x --kernel e") == ["e=f.img"]
    assert bench.offers("resin verify x e") == ["e=f.img"]
    assert bench.offers("resin configure x --output b") == ["b%c.img"]
    assert bench.offers("resin configure x --output=b") == ["--output=b%c.img"]
    assert bench.offers("resin configure x --passphrase-file a") == ["a card.img"]
    assert [found.rstrip("/") for found in bench.offers("resin push --source m")] == ["my project"]
    assert bench.offers("resin init b") == []
    if bench.name != "fish":
        assert bench.tab("resin flash a\\ ") == "resin flash a\\ card.img "
        assert bench.tab("resin flash 'a c") == "resin flash 'a card.img' "
