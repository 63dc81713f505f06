"""Projects of other people: where they want to go, and which files they want to take along."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.table import Fault, fault
from support.private_home import (  # noqa: F401 - a fixture
    DOCKERFILE,
    LOGINS,
    SECRET,
    TOML,
    Home,
    check_refused,
    home_with_secrets,
    linked,
)
from support.resin_command import resin

from resin_toolkit.errors import Exit


@fault(
    "push",
    "only `resin.toml` names the device",
    Exit.REFUSED,
    "not-trusted",
    "connects to nothing",
    {"resin_toml": 'device = "DEVICE"\n'},
)
@fault(
    "push",
    "the project uses a file outside its root",
    Exit.REFUSED,
    "not-trusted",
    "sends nothing",
    {"compose_yaml": "services: {web: {build: ., env_file: ../../secret.env}}\n"},
)
@fault(
    "push",
    "the project takes a variable of the environment",
    Exit.REFUSED,
    "not-trusted",
    "sends nothing",
    {"compose_yaml": "services: {web: {build: ., environment: [HOME]}}\n"},
)
@fault("push", "the engine runs on another operating system", Exit.REFUSED, "declined", "starts nothing", {})
def test_what_nobody_agreed_to(fault: Fault, home: Home) -> None:
    project = home.project(
        **{name: text.replace("DEVICE", home.device) for name, text in fault.given.items()}
    )
    if not fault.given:
        home.engine.os = "Debian GNU/Linux 13"
    fault.met(home.push(project, "--json", device="resin_toml" not in fault.given))
    assert home.engine.changes == []


# where it goes


@pytest.mark.parametrize("words", [(), ("--yes",), ("--no-input",), ("--dry-run",), ("--json",)])
def test_a_device_that_only_the_project_names_is_not_contacted(home: Home, words: tuple[str, ...]) -> None:
    (home.folder / "evil").mkdir()
    project = home.project(
        resin_toml=f'device = "{home.device}"\nsource = ".."\ndockerfile = "evil/Dockerfile"\n'
    )
    run = home.push(project, *words, device=False)
    assert run.code == 4, run
    assert home.engine.connections == 0
    text = run.error["message"] + run.error["hint"] if "--json" in words else run.err
    assert home.device in text
    assert "--trust" in text
    if "--json" in words:
        assert run.error["code"] == "not-trusted"


def test_all_wishes_are_in_one_question_and_a_no_sends_nothing(home: Home) -> None:
    project = home.project(
        resin_toml=f'device = "{home.device}"\nsource = "../.."\ndockerfile = "code/evil/Dockerfile"\n'
    )
    for answer in ("n\n", "\n"):
        terminal = home.terminal(project)
        shown = terminal.until("[y/N] ")
        assert home.device in shown
        assert str(home.folder) in shown
        terminal.type(answer)
        assert terminal.end() == 4
        assert terminal.plain.count("[y/N]") == 1
    assert home.engine.connections == 0
    assert not (home.state / "project-approvals.json").exists()


def test_a_yes_is_remembered_for_this_device_only(home: Home) -> None:
    project = home.project(resin_toml=f'device = "{home.device}"\n{TOML}')
    terminal = home.terminal(project)
    terminal.until("[y/N] ")
    terminal.type("y\n")
    assert terminal.end() == 0, terminal.plain
    assert home.push(project, device=False).code == 0
    (project / "resin.toml").write_text('device = "127.0.0.66"\n')
    check_refused(home.push(project, device=False), "127.0.0.66")


@pytest.mark.parametrize("way", ["typed", "variable", "pushed before"])
def test_a_device_that_the_user_chose_is_not_asked_for(
    home: Home, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    project = home.project()
    if way == "variable":
        monkeypatch.setenv("RESIN_DEVICE", home.device)
    run = home.push(project, "--json", device=way != "variable")
    assert run.code == 0, run
    assert "warnings" not in json.loads(run.out.splitlines()[-1])["data"] or "not-" not in run.out
    if way == "pushed before":
        (project / "resin.toml").write_text(f'device = "{home.device}"\n{TOML}')
        assert home.push(project, device=False).code == 0


def test_a_typed_device_on_a_terminal_asks_nothing(home: Home) -> None:
    project = home.project(compose_yaml="services:\n  web:\n    build: .\n    image: web:${TAG:-1}\n")
    terminal = home.terminal(project, home.device)
    assert terminal.end() == 0, terminal.plain
    assert "[y/N]" not in terminal.plain


def test_a_device_of_the_project_is_not_a_device_for_other_commands(home: Home) -> None:
    project = home.project(resin_toml=f'device = "{home.device}"\n')
    for name in ("device", "app"):
        (project / ".resin").mkdir(exist_ok=True)
        (project / ".resin" / name).write_text(f"{home.device}\n")
    before = Path.cwd()
    os.chdir(project)
    try:
        for command in (("ps",), ("stop",), ("restart",), ("rm", "--yes")):
            assert resin(*command).code != 0
    finally:
        os.chdir(before)
    assert home.engine.connections == 0


def test_a_folder_of_somebody_else_above_names_no_device(home: Home) -> None:
    (home.folder / "code" / ".resin").mkdir(parents=True)
    (home.folder / "code" / ".resin" / "device").write_text(f"{home.device}\n")
    resin("push", "--detach", "--source", home.project())
    assert home.engine.connections == 0


# what it takes: files


def _source(home: Home) -> Path:
    return home.project(resin_toml='source = "../.."\ndockerfile = "code/evil/Dockerfile"\n')


def _source_link(home: Home) -> Path:
    project = home.project(resin_toml='source = "docs"\n')
    linked(project / "docs", home.folder / ".ssh")
    (home.folder / ".ssh" / "Dockerfile").write_text(DOCKERFILE)
    return project


def _context(home: Home) -> Path:
    (home.folder / ".ssh" / "Dockerfile").write_text(DOCKERFILE)
    return home.project(compose_yaml="services: {web: {build: ../../.ssh}}\n")


def _home_context(home: Home) -> Path:
    (home.folder / ".ssh" / "Dockerfile").write_text(DOCKERFILE)
    return home.project(compose_yaml="services: {web: {build: {context: ~/.ssh}}}\n")


def _context_link(home: Home) -> Path:
    (home.folder / ".ssh" / "Dockerfile").write_text(DOCKERFILE)
    project = home.project(compose_yaml="services: {web: {build: ./lib}}\n")
    linked(project / "lib", home.folder / ".ssh")
    return project


def _dockerfile_link(home: Home) -> Path:
    project = home.project(Dockerfile_template="x")
    (home.folder / "secret").write_text(f"FROM scratch\nLABEL x={SECRET}\n#%%BALENA_ARCH%%\n")
    linked(project / "Dockerfile.template", home.folder / "secret")
    return project


def _ignore_link(home: Home) -> Path:
    project = home.project()
    (home.folder / "rules").write_text(f"{SECRET}\nDockerfile\n")
    linked(project / "Dockerfile.dockerignore", home.folder / "rules")
    return project


def _env_file(home: Home) -> Path:
    return home.project(compose_yaml="services: {web: {build: ., env_file: ../../secret.env}}\n")


def _env_file_link(home: Home) -> Path:
    project = home.project(compose_yaml="services: {web: {build: ., env_file: my.env}}\n")
    linked(project / "my.env", home.folder / "secret.env")
    return project


def _dotenv_link(home: Home) -> Path:
    project = home.project(compose_yaml='services: {web: {build: ., environment: ["PASSWORD"]}}\n')
    linked(project / ".env", home.folder / "secret.env")
    return project


def _extends(home: Home) -> Path:
    (home.folder / "base.yaml").write_text(f"services: {{web: {{environment: {{X: {SECRET}}}}}}}\n")
    text = "services: {web: {build: ., extends: {file: ../../base.yaml, service: web}}}\n"
    return home.project(compose_yaml=text)


def _compose_link(home: Home) -> Path:
    project = home.project()
    (home.folder / "c.yaml").write_text(f"services: {{web: {{build: ., labels: [{SECRET}]}}}}\n")
    linked(project / "compose.yaml", home.folder / "c.yaml")
    return project


def _compose_file(home: Home) -> Path:
    (home.folder / "c.yaml").write_text(f"services: {{web: {{build: code/evil, labels: [{SECRET}]}}}}\n")
    return home.project(compose_yaml="services: {web: {build: .}}\n", _env="COMPOSE_FILE=../../c.yaml\n")


def _settings_link(home: Home) -> Path:
    project = home.project()
    (home.folder / "settings").write_text(f'{TOML}env = {{ X = "{SECRET}" }}\n')
    linked(project / "resin.toml", home.folder / "settings")
    return project


def _git(home: Home) -> Path:
    project = home.project(resin_toml='source = ".git"\n')
    (project / ".git").mkdir()
    for name, text in {"HEAD": "ref", "config": SECRET, "Dockerfile": DOCKERFILE}.items():
        (project / ".git" / name).write_text(text)
    return project


OUTSIDE: dict[str, Callable[[Home], Path]] = {
    name.removeprefix("_"): made
    for name, made in list(globals().items())
    if name.startswith("_") and not name.startswith("__") and callable(made)
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_files_outside_the_project_are_not_sent_unasked(home: Home, kind: str) -> None:
    project = OUTSIDE[kind](home)
    run = home.push(project)
    check_refused(run)
    assert home.engine.connections == 0
    assert SECRET not in run.err
    # With consent it is sent: what was held back is really what is asked for.
    run = home.push(project, "--trust")
    assert run.code == 0, run
    assert home.was_sent(SECRET) or kind == "ignore_link"
    assert home.push(project).code == 0


def test_links_in_a_context_are_sent_as_links(home: Home) -> None:
    project = home.project()
    linked(project / "key", home.folder / ".ssh" / "id")
    linked(project / "keys", home.folder / ".ssh")
    assert home.push(project).code == 0
    assert not home.was_sent(SECRET)
    assert home.engine.files["key"] == str(home.folder / ".ssh" / "id").encode()


@pytest.mark.parametrize(
    "text",
    [
        "include: [../../c.yaml]\nservices: {web: {build: .}}",
        "services: {web: {build: {context: ., additional_contexts: {k: ../../.ssh}}}}",
        "services: {web: {build: {context: ., secrets: [k]}}}\nsecrets: {k: {file: ../../.ssh/id}}",
        "services: {web: {build: {context: ., ssh: [default]}}}",
        "services: {web: {build: ., configs: [k]}}\nconfigs: {k: {file: ../../.ssh/id}}",
        "services: {web: {build: ., secrets: [k]}}\nsecrets: {k: {environment: HOME}}",
        "services: {web: {build: ., label_file: ../../secret.env}}",
        "services: {web: {build: ., volumes: ['../../.ssh:/x']}}",
        "services: {web: {build: {context: ., dockerfile: ../../Dockerfile}}}",
        "services: {web: {build: ., credential_spec: {file: ../../secret.env}}}",
    ],
)
def test_other_ways_to_name_a_file_are_not_supported(home: Home, text: str) -> None:
    (home.folder / "Dockerfile").write_text(DOCKERFILE)
    (home.folder / "c.yaml").write_text("services: {x: {image: a}}")
    run = home.push(home.project(compose_yaml=text))
    assert run.code == 2, run
    assert home.engine.changes == []


def test_the_work_tree_of_the_user_is_the_root(home: Home) -> None:
    (home.folder / "code" / ".git").mkdir(parents=True)
    (home.folder / "code" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    text = "services: {web: {build: {context: .., dockerfile: evil/Dockerfile}, env_file: ../shared.env}}\n"
    project = home.project(compose_yaml=text, resin_toml="")
    (home.folder / "code" / "shared.env").write_text("A=1\n")
    assert home.push(project).code == 0
    # Never the home folder, even if it is a work tree.
    (home.folder / "code" / ".git" / "HEAD").unlink()
    (home.folder / ".git").mkdir()
    (home.folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    other = home.project("code/other", compose_yaml=text.replace("evil", "other"))
    check_refused(home.push(other), f"read {home.folder / 'code'}.")


# logins


def test_no_login_goes_to_a_device_that_nobody_chose(home: Home) -> None:
    project = home.project(resin_toml=f'device = "{home.device}"\n', Dockerfile="FROM docker.io/me/private\n")
    check_refused(home.push(project, device=False))
    assert home.engine.logins == []


# state


def test_damaged_approvals_are_an_error(home: Home) -> None:
    project = _env_file(home)
    assert home.push(project, "--trust").code == 0
    file = home.state / "project-approvals.json"
    file.write_bytes(file.read_bytes()[:-3])
    home.engine.clear()
    run = home.push(project, "--json")
    assert (run.code, json.loads(run.out.splitlines()[-1])["error"]["code"]) == (1, "state-damaged")
    assert "resin then asks again" in run.out
    assert home.engine.changes == []


def test_nothing_is_written_through_links_of_a_project(home: Home) -> None:
    project = home.project()
    linked(project / ".resin", home.folder / ".ssh")
    (home.folder / ".ssh" / "device").write_text("mine")
    before = {path: path.read_bytes() for path in (home.folder / ".ssh").iterdir()}
    assert home.push(project).code == 0
    assert {path: path.read_bytes() for path in (home.folder / ".ssh").iterdir()} == before
    assert not [name for name in home.engine.files if name.startswith(".resin")]


# files that do not end


@pytest.mark.parametrize(
    "name", ["resin.toml", "compose.yaml", ".env", "Dockerfile", ".dockerignore", "my.env", "other.yaml"]
)
@pytest.mark.parametrize("kind", ["pipe", "endless", "huge"])
def test_files_without_an_end_are_refused(home: Home, name: str, kind: str) -> None:
    text = "services: {web: {build: ., env_file: my.env, extends: {file: other.yaml, service: a}}}\n"
    project = home.project(compose_yaml=text, my_env="A=1\n", other_yaml="services: {a: {tty: true}}\n")
    file = project / name
    file.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "endless":
        file.symlink_to("/dev/zero")
    else:
        with file.open("wb") as large:
            large.truncate(5 << 30)
    run = home.push(project)
    assert "Traceback" not in run.err
    is_there = name in ("compose.yaml", ".env") and kind != "huge"
    assert run.code in ((0, 2) if is_there else (2, 3)), run
    assert home.engine.changes == [] or is_there


# what is no device


def test_another_operating_system_is_asked_for(home: Home) -> None:
    project = home.project()
    home.engine.os = "Ubuntu 22.04.4 LTS"
    for words in ((), ("--no-input",), ("--trust",)):
        run = home.push(project, *words)
        assert run.code == 4, run
        assert "runs Ubuntu 22.04.4 LTS, not resinOS or balenaOS. Push to it anyway?" in run.err
        assert "--yes" in run.err
    assert home.engine.changes == []
    assert home.push(project, "--dry-run").code == 0
    terminal = home.terminal(project, home.device)
    terminal.until("Push to it anyway? [y/N] ")
    terminal.type("y\n")
    assert terminal.end() == 0, terminal.plain
    assert home.push(project).code == 0
    home.engine.id = "ANOTHER"
    assert home.push(project).code == 4
    assert home.push(project, "--yes").code == 0
    assert home.push(project).code == 0


@pytest.mark.parametrize(
    "name", ["Resin OS 2.0.3+rev1", "resinOS 2.7", "balenaOS 2.98.33", "balenaOS 5.3.21+rev1"]
)
def test_the_operating_systems_of_devices_are_not_asked_for(home: Home, name: str) -> None:
    home.engine.os = name
    assert home.push(home.project()).code == 0
