from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from support.resin_command import resin


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo makes its own folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_demo_shows_the_whole_way_and_leaves_nothing(folder: Path) -> None:
    run = resin("demo")
    assert run.code == 0, run.err
    assert len(re.findall(r"^\$ resin ", run.out, re.MULTILINE)) == 5
    for shown in ('"hostname": "kitchen"', "ssid = Kitchen Wi-Fi", "psk = ********", "resin-data"):
        assert shown in run.out
    assert "only an example" not in run.out + run.err
    assert list(folder.iterdir()) == []


def test_the_demo_verifies_what_it_flashed_and_can_be_kept(folder: Path) -> None:
    data = resin("demo", "--keep", "--json").data
    flashed = data["steps"][1]["result"]
    [target] = flashed["targets"]
    assert target["read_back"] is True
    assert flashed["bytes"] == (Path(data["folder"]) / "card.img").stat().st_size
    assert Path(data["folder"]).parent == folder
    shown = data["steps"][-1]["result"]
    assert shown["config"]["hostname"] == "kitchen"
    assert shown["config"]["persistentLogging"] is True
    [connection] = shown["connections"]
    assert connection["ssid"] == "Kitchen Wi-Fi"
