from __future__ import annotations

from pathlib import Path

import pytest

from resin_toolkit.wifi_networks import WifiNetwork, list_wifi_networks

# What nmcli 1.42 printed, as a program that answers the same questions.
RECORDED = r"""#!/bin/sh
case "$*" in
*"UUID,TYPE connection show"*)
    echo 11111111-0000-0000-0000-000000000000:802-11-wireless
    echo 22222222-0000-0000-0000-000000000000:802-3-ethernet
    echo 33333333-0000-0000-0000-000000000000:802-11-wireless ;;
*"802-11-wireless.ssid connection show uuid 1111"*)
    printf 'Home\n\nCaf\\: \\\\o\n' ;;
*"SSID,SIGNAL device wifi list"*)
    printf 'Home:40\nNeighbour:80\nHome:71\n:33\nOdd\\:Name:55\n' ;;
*) exit 9 ;;
esac
"""


def put_nmcli(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "nmcli"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_networks_in_reach_come_first_the_strongest_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_nmcli(tmp_path, monkeypatch, RECORDED)
    assert list_wifi_networks() == (
        WifiNetwork("Neighbour", 80, False),
        WifiNetwork("Home", 71, True),
        WifiNetwork("Odd:Name", 55, False),
        WifiNetwork("Caf: \\o", None, True),
    )


@pytest.mark.parametrize(
    "script", ["#!/bin/sh\nexit 8\n", "#!/bin/sh\necho rubbish\n", "#!/bin/sh\nprintf '\\377:1\\n'\n"]
)
def test_an_nmcli_that_cannot_answer_gives_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    put_nmcli(tmp_path, monkeypatch, script)
    assert list_wifi_networks() == ()


def test_without_nmcli_there_are_no_suggestions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list_wifi_networks() == ()
