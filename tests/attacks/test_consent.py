"""What an answer to the question about a project covers, and what happens while it waits."""

from __future__ import annotations

from pathlib import Path

import pytest
from device.desk import wait_for
from support.resin_command import Run
from support.strange_network import StrangeNetwork, User

pytestmark = pytest.mark.root

SECRET = "7h3-k3y-0f-th3-h0us3"
DOCKERFILE = 'FROM scratch\nCOPY . /\nCMD ["sh"]\n'
ENVIRONMENT = {"GITHUB_TOKEN": SECRET}
BUILDS = "services:\n  web:\n    build: src\n    environment: [GITHUB_TOKEN]\n"
QUESTION = "[y/N]"


@pytest.fixture
def project(newcomer: User) -> Path:
    """A project that takes a variable, for which the user is asked."""
    folder = newcomer.home / "code" / "project"
    for name, text in {
        "code/project/compose.yaml": BUILDS,
        "code/project/a/src/Dockerfile": DOCKERFILE,
        "code/project/a/src/note": "harmless",
        "private/Dockerfile": DOCKERFILE,
        "private/id": SECRET,
        "elsewhere/src/Dockerfile": DOCKERFILE,
        "elsewhere/src/id": SECRET,
        "shared/Dockerfile": DOCKERFILE,
        "shared/note": "harmless",
    }.items():
        path = newcomer.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "src").symlink_to("a/src")
    return folder


def push(network: StrangeNetwork, user: User, project: Path, *words: str, env: bool = False) -> Run:
    device = network.device.address
    given = ENVIRONMENT if env else None
    return user.resin("push", device, "--detach", "--json", *words, cwd=project, env=given)


@pytest.mark.parametrize("what", ["the link", "its target", "a folder on the way", "the project"])
def test_what_is_exchanged_while_the_question_waits_is_not_sent(
    network: StrangeNetwork, newcomer: User, project: Path, what: str
) -> None:
    home = newcomer.home
    with network.device_serves():
        terminal = newcomer.terminal("push", network.device.address, "--detach", cwd=project, env=ENVIRONMENT)
        shown = terminal.until(QUESTION)
        assert "GITHUB_TOKEN" in shown
        assert SECRET not in shown
        place, target = {
            "the link": (project / "src", home / "private"),
            "its target": (project / "a" / "src", home / "private"),
            "a folder on the way": (project / "a", home / "elsewhere"),
            "the project": (project, home / "elsewhere"),
        }[what]
        place.rename(home / "moved")
        place.symlink_to(target)
        terminal.type("y\n")
        if what in ("its target", "a folder on the way"):
            # It is found out when the project is read again for the device, and asked for.
            assert "private" in terminal.until(QUESTION) or what != "its target"
            terminal.type("n\n")
        terminal.end()
    assert SECRET not in b"".join(network.engine.files.values()).decode(), terminal.plain
    assert "Traceback" not in terminal.plain
    assert "Traceback" not in terminal.plain


def test_an_answer_covers_what_was_shown_and_no_more(
    network: StrangeNetwork, newcomer: User, project: Path
) -> None:
    (project / "src").unlink()
    (project / "src").symlink_to("../../shared")
    with network.device_serves(), network.stranger_serves(announces=()):
        assert push(network, newcomer, project, "--trust").code == 0
        assert push(network, newcomer, project).code == 0
        network.engine.clear()
        # Another device.
        run = newcomer.resin(
            "push", network.stranger.address, "--detach", "--json", cwd=project, env=ENVIRONMENT
        )
        assert run.error["code"] == "not-trusted", run
        assert str(newcomer.home / "shared") in run.error["message"], run
        network.assert_nothing_reached_the_stranger()
        # Another folder by the same name.
        (newcomer.home / "shared").rename(newcomer.home / "moved")
        (newcomer.home / "shared").symlink_to("private")
        run = push(network, newcomer, project)
        assert run.error["code"] == "not-trusted", run
        assert str(newcomer.home / "private") in run.error["message"], run
        # Another variable.
        (newcomer.home / "shared").unlink()
        (newcomer.home / "moved").rename(newcomer.home / "shared")
        (project / "compose.yaml").write_text(BUILDS.replace("GITHUB_TOKEN", "GITHUB_TOKEN, AWS_SECRET"))
        run = newcomer.resin(
            *("push", network.device.address, "--detach", "--json"), cwd=project, env={"AWS_SECRET": SECRET}
        )
        assert run.error["code"] == "not-trusted", run
        assert "AWS_SECRET" in run.error["message"], run
        # Another project at another place.
        (project / "compose.yaml").write_text(BUILDS)
        project.rename(project.with_name("other"))
        run = push(network, newcomer, project.with_name("other"))
        assert run.error["code"] == "not-trusted", run
    assert network.engine.changes == []


@pytest.mark.parametrize("cut", [3, 20])
def test_a_damaged_list_of_consent_is_no_consent(
    network: StrangeNetwork, newcomer: User, project: Path, cut: int
) -> None:
    with network.device_serves():
        assert push(network, newcomer, project, "--trust", env=True).code == 0
        [path] = newcomer.state.glob("*approvals*.json")
        path.write_bytes(path.read_bytes()[:-cut])
        network.engine.clear()
        run = push(network, newcomer, project, env=True)
    assert run.error["code"] == "state-damaged", run
    assert str(path) in run.error["message"]
    assert run.error["hint"]
    assert network.engine.changes == []


def test_a_long_list_hides_nothing(network: StrangeNetwork, newcomer: User, project: Path) -> None:
    """A project may have wishes and names enough that the first ones scroll away."""
    paths = [newcomer.home / "many" / f"{number}.env" for number in range(20)]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_text("A=1\n")
    wishes = "".join(f"      - {path}\n" for path in paths)
    name = "w" * 1000
    (project / "compose.yaml").write_text(f"services:\n  {name}:\n    build: .\n    env_file:\n{wishes}")
    with network.device_serves():
        terminal = newcomer.terminal("push", network.device.address, "--detach", cwd=project)
        shown = terminal.until("Allow all 20 of these, now and for later pushes?")
        terminal.type("n\n")
        terminal.end()
    assert all(str(path) in shown for path in paths)
    assert "w" * 200 not in shown
    assert network.engine.changes == []


def test_a_no_and_no_answer_send_nothing(network: StrangeNetwork, newcomer: User, project: Path) -> None:
    for answer in ("n\n", "\n", "\x04", "\x03", "no way\nn\n"):
        with network.device_serves():
            terminal = newcomer.terminal(
                "push", network.device.address, "--detach", cwd=project, env=ENVIRONMENT
            )
            terminal.until(QUESTION)
            terminal.type(answer)
            assert terminal.end() in (4, 130), terminal.plain
        assert network.engine.changes == []


def test_yes_is_no_consent_to_a_project(network: StrangeNetwork, newcomer: User, project: Path) -> None:
    """`--yes` agrees to what a command does, such as a reset, and not to what a project takes."""
    with network.device_serves():
        run = push(network, newcomer, project, "--yes", env=True)
    assert run.error["code"] == "not-trusted", run
    assert network.engine.changes == []


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nDevice: kitchen", "\u202egnihton", "a\rb", "x" * 200])
def test_the_question_shows_names_as_they_are(
    network: StrangeNetwork, newcomer: User, project: Path, name: str
) -> None:
    (newcomer.home / name).mkdir()
    (newcomer.home / name / "Dockerfile").write_text(DOCKERFILE)
    (project / "src").unlink()
    (project / "src").symlink_to(newcomer.home / name)
    with network.device_serves():
        terminal = newcomer.terminal("push", network.device.address, "--detach", cwd=project)
        shown = terminal.until(QUESTION)
        terminal.type("n\n")
        terminal.end()
    for never in ("\x1b[2J", "\u202e", "\nDevice", "a\rb"):
        assert never not in shown


def test_a_watched_folder_outside_is_asked_for(
    network: StrangeNetwork, newcomer: User, project: Path
) -> None:
    rule = "{action: sync, path: ../../private, target: /x}"
    (project / "compose.yaml").write_text(
        f"services:\n  web:\n    build: a/src\n    develop:\n      watch:\n        - {rule}\n"
    )
    with network.device_serves():
        run = newcomer.resin("push", network.device.address, "--json", cwd=project)
    assert run.error["code"] == "not-trusted", run
    assert str(newcomer.home / "private") in run.error["message"]
    assert network.engine.changes == []


def test_a_project_that_changes_in_live_mode_gets_no_more(
    network: StrangeNetwork, newcomer: User, project: Path
) -> None:
    """`git pull` in a project that is being pushed brings another compose file."""
    (project / "compose.yaml").write_text("services:\n  web:\n    build: a/src\n")
    with network.device_serves():
        terminal = newcomer.terminal("push", network.device.address, cwd=project, env=ENVIRONMENT)
        wait_for(lambda: "POST /build" in network.engine.changes, "the first build")
        terminal.until("web")
        wait_for(lambda: any("/rename" in each for each in network.engine.changes), "the first deployment")
        (project / "compose.yaml").write_text(
            "services:\n  web:\n    build: ../../private\n    environment: [GITHUB_TOKEN]\n"
        )
        terminal.until("wants to")
        terminal.interrupt()
        terminal.end()
    assert SECRET.encode() not in network.engine.everything
