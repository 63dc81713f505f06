"""A project that the user trusts to go to a device, and which then says how that device is to be reached."""

from __future__ import annotations

import pytest
from support.strange_network import KNOWN_ID, NAME, StrangeNetwork, User

pytestmark = pytest.mark.root


@pytest.mark.parametrize(
    "word", [f"tcp://{NAME}", f"tcp://{NAME}.local", f"tcp://{NAME}:2377", f"{NAME}:2377", f"ssh://me@{NAME}"]
)
def test_a_project_does_not_decide_how_its_device_is_verified(
    network: StrangeNetwork, user: User, word: str
) -> None:
    project = user.home / "project"
    project.mkdir()
    (project / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    with network.device_serves():
        assert user.resin("push", NAME, "--detach", cwd=project).code == 0
    (project / "resin.toml").write_text(f'device = "{word}"\n')
    network.strange_engine.id = KNOWN_ID
    with network.stranger_serves(ssh=False):
        run = user.resin("push", "--detach", "--json", cwd=project)
    network.assert_nothing_reached_the_stranger()
    if word.startswith("tcp://"):
        assert run.error["code"] == "not-trusted", run
        assert word in run.error["message"], run
    assert run.code != 0, run
