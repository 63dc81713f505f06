"""`resin ps` and `resin env` on a stand-in device with a real engine."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from device.stand_in import Desk, StandIn, desk, stand_in

pytestmark = pytest.mark.root

HOSTILE = "\x1b[2J\x1b]0;owned\x07two\nlines\u202e"


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(scope="module")
def kitchen(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "kitchen") as device:
        device.start("plain", "sleep 1000")
        device.docker("run", "-d", "--name", "one", "--network=host", "--label",
                      "io.resin.service-name=radio", "stand-in", "sleep", "1000")  # fmt: skip
        device.docker("run", "-d", "--name", "two", "--network=host", "--label",
                      f"io.balena.service-name={HOSTILE}", "stand-in", "sleep", "1000")  # fmt: skip
        device.docker("run", "--name", "ended", "--network=host", "stand-in", "true")
        yield device


def test_running_containers_are_listed(table: Desk, kitchen: StandIn) -> None:
    run = table.resin("ps", kitchen.address)
    assert run.code == 0, run
    head, *rows = run.out.splitlines()
    assert head.split() == ["SERVICE", "IMAGE", "STATE", "FOR", "RESTARTS"]
    assert len(rows) == 3
    names = [row.split()[0] for row in rows]
    assert {"plain", "radio"} <= set(names)
    assert "\x1b" not in run.out
    assert "\u202e" not in run.out
    assert all(row.split()[-1] == "0" and " running " in row for row in rows)


def test_all_includes_exited_containers(table: Desk, kitchen: StandIn) -> None:
    run = table.resin("ps", kitchen.address, "--all")
    assert any(line.startswith("ended") and "exited (0)" in line for line in run.out.splitlines())


def test_services_and_containers_by_name(table: Desk, kitchen: StandIn) -> None:
    for name, service, state in (
        ("radio", "radio", "running"),
        ("one", "radio", "running"),
        ("ended", "ended", "exited (0)"),
    ):
        _, row = table.resin("ps", kitchen.address, name).out.splitlines()
        assert row.split()[0] == service
        assert state in row
    data = table.resin("ps", kitchen.address, "radio", "plain", "one", "--json").data
    assert {entry["name"] for entry in data["containers"]} == {"plain", "one"}


def test_no_row_wraps_on_a_terminal(table: Desk, kitchen: StandIn) -> None:
    name, image = "n" * 70, f"stand-in:{'t' * 70}"
    kitchen.docker("tag", "stand-in", image)
    kitchen.docker("run", "-d", "--rm", "--name", name, "--network=host", image, "sleep", "1000")
    try:
        terminal = table.terminal("ps", kitchen.address)
        terminal.resize(24, 80)
        assert terminal.end() == 0
    finally:
        kitchen.docker("rm", "--force", name)
    rows = [line for line in terminal.plain.splitlines() if " running " in line]
    assert len(rows) == 4, terminal.screen
    assert all(len(row) <= 80 for row in rows)
    assert any(row.startswith("nnnnnn") and "…" in row for row in rows)


def test_an_unknown_service(table: Desk, kitchen: StandIn) -> None:
    run = table.resin("ps", kitchen.address, "radio", "no\x1bsuch", "--json")
    assert (run.code, run.error["code"]) == (3, "service-not-found")
    assert "no service no\ufffdsuch." in run.error["message"]
    assert "ended, plain, radio" in run.error["hint"]


def test_json_output(table: Desk, kitchen: StandIn) -> None:
    data = table.resin("ps", kitchen.address, "--all", "--json").data
    assert data["device"] == kitchen.address
    by_name = {entry["name"]: entry for entry in data["containers"]}
    assert by_name["one"]["service"] == "radio"
    assert by_name["one"]["exit_code"] is None
    assert by_name["ended"]["exit_code"] == 0
    assert by_name["ended"]["state"] == "exited"
    since = json.loads(kitchen.docker("inspect", "one"))[0]["State"]["StartedAt"]
    assert by_name["one"]["since"] == since


def test_an_open_engine_is_warned_about_once(table: Desk, kitchen: StandIn, tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    first, second = (table.resin("ps", kitchen.address, env=state) for _ in range(2))
    assert "anyone on the network" in first.err
    assert second.err == ""
    [warning] = table.resin("ps", kitchen.address, "--json", env={"XDG_STATE_HOME": "/dev/null/x"}).data[
        "warnings"
    ]
    assert warning["code"] == "engine-open"


def test_the_other_port_is_found(table: Desk) -> None:
    with stand_in(table, "hall", engine_port=2375) as hall:
        run = table.resin("env", hall.address, "--json")
    assert run.data["DOCKER_HOST"] == f"tcp://{hall.address}:2375"


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_evaluates_the_output(table: Desk, kitchen: StandIn, shell: str) -> None:
    run = table.resin("env", kitchen.address, "--shell", shell, env={"DOCKER_TLS_VERIFY": "1"})
    assert run.code == 0, run
    if shell == "fish" and not shutil.which("fish"):
        assert run.out == f"set -gx DOCKER_HOST 'tcp://{kitchen.address}:2377';\nset -e DOCKER_TLS_VERIFY;\n"
        return
    done = subprocess.run(
        [*table.prefix, shell, "-c", f"{run.out}\ndocker ps --format '{{{{.Names}}}}'"],
        env={**table.environment, "DOCKER_TLS_VERIFY": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"plain", "one", "two"}


def test_env_as_json_and_for_powershell(table: Desk, kitchen: StandIn) -> None:
    url = f"tcp://{kitchen.address}:2377"
    assert table.resin("env", kitchen.address, "--json").data == {"DOCKER_HOST": url}
    run = table.resin("env", kitchen.address, "--shell", "powershell")
    assert run.out == f"$Env:DOCKER_HOST = '{url}'\n"


def test_a_link_local_address_reaches_docker(table: Desk, kitchen: StandIn) -> None:
    run = table.resin("env", kitchen.address6, "--shell", "bash")
    assert run.code == 0, run
    done = subprocess.run(
        [*table.prefix, "bash", "-c", f"{run.out}\ndocker ps --quiet"],
        env=table.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (run.out, done.stderr)


@pytest.mark.parametrize("command", ["ps", "env"])
def test_a_closed_port(table: Desk, command: str) -> None:
    run = table.resin(command, f"tcp://{table.address}:2", "--json")
    assert run.code == 6
    assert run.error["code"] == "unreachable"
    assert "nothing listens" in run.error["message"]
