"""Projects of other people: the variables of this machine that they want to take along."""

from __future__ import annotations

import pytest
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


@pytest.mark.parametrize(
    ("service", "more"),
    [
        ("build: {context: ., args: [TOKEN]}", {}),
        ('build: {context: ., args: {X: "${TOKEN}"}}', {}),
        ('build: {context: ., args: ["X=a${TOKEN:-b}"]}', {}),
        ('build: {context: ., args: {X: "${NO:-${TOKEN}}"}}', {}),
        ("build: ., environment: [TOKEN]", {}),
        ("build: ., environment: {TOKEN: }", {}),
        ('build: ., environment: {X: "$TOKEN"}', {}),
        ("build: ., environment: [X]", {"_env": "X=${TOKEN}\n"}),
        ("build: ., environment: [Y]", {"_env": "X=$TOKEN\nY=$X\n"}),
        ("build: ., env_file: my.env", {"my_env": "TOKEN\n"}),
        ("build: ., env_file: my.env", {"my_env": "X=${TOKEN:?}\n"}),
        ('build: ., command: "echo ${TOKEN}"', {}),
        ('build: ., labels: {x: "${TOKEN}"}', {}),
        ('build: {context: ., labels: ["x=${TOKEN}"]}', {}),
        ('build: ., hostname: "${TOKEN}"', {}),
        ('build: ., logging: {driver: syslog, options: {x: "${TOKEN}"}}', {}),
        (
            "build: ., extends: {file: other.yaml, service: a}",
            {"other_yaml": 'services: {a: {environment: ["TOKEN"]}}'},
        ),
        ("build: ., environment: [TOKEN]", {"_env": "TOKEN=harmless\n"}),
        (
            'build: ., environment: ["A=1"]',
            {"compose_override_yaml": 'services: {web: {environment: ["X=${TOKEN}"]}}'},
        ),
    ],
)  # fmt: skip
def test_variables_of_the_workstation_are_not_sent_unasked(
    home: Home, monkeypatch: pytest.MonkeyPatch, service: str, more: dict[str, str]
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    project = home.project(compose_yaml=f"services: {{web: {{{service}}}}}\n", **more)
    run = home.push(project)
    check_refused(run, "$TOKEN")
    assert home.engine.connections == 0
    assert SECRET not in run.err
    assert home.push(project, "--trust").code == 0
    assert home.was_sent(SECRET)
    assert home.push(project).code == 0


@pytest.mark.parametrize(
    ("service", "more"),
    [
        ('build: ., image: "web:${TAG}"', {}),
        ('build: ., ports: ["${PORT}:80"]', {}),
        ('build: ., environment: {X: "${UNSET:-latest}"}', {}),
        ("build: ., environment: [UNSET]", {}),
        ("build: ., environment: [OWN]", {"_env": "OWN=1\n"}),
        ("build: ., environment: [TAG]", {"_env": "TAG=one\n"}),
        ("build: ., env_file: my.env, environment: {X: 1}", {"my_env": "X=$TAG\n"}),
        ("build: ., x-note: $TAG", {}),
        ('build: ., develop: {watch: [{action: rebuild, path: "./${UNSET:-.}", ignore: ["$TAG"]}]}', {}),
    ],
)
def test_what_is_the_projects_own_or_names_an_image_is_not_asked_for(
    home: Home, monkeypatch: pytest.MonkeyPatch, service: str, more: dict[str, str]
) -> None:
    monkeypatch.setenv("TAG", "one")
    monkeypatch.setenv("PORT", "8080")
    project = home.project(compose_yaml=f"services: {{web: {{{service}}}}}\n", **more)
    run = home.push(project)
    assert run.code == 0, run
    if "image" in service:
        assert "TAG" in run.err


def test_a_path_in_the_container_is_not_made_of_variables_unasked(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In live mode, files appear in the container under that name."""
    monkeypatch.setenv("TOKEN", SECRET)
    watch = '{action: sync, path: ., target: "/${TOKEN}"}'
    project = home.project(compose_yaml=f"services: {{web: {{build: ., develop: {{watch: [{watch}]}}}}}}\n")
    check_refused(home.push(project), "$TOKEN")
    assert home.engine.connections == 0


def test_variables_that_are_typed_are_the_users_own(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "x")
    project = home.project()
    (home.folder / "own.env").write_text("TOKEN\n")
    words = ("--env", "TOKEN", "--build-arg", "TOKEN", "--env-file", str(home.folder / "own.env"))
    assert home.push(project, *words).code == 0
    # A file of the project is the project's, even if it is typed.
    (project / "p.env").write_text("TOKEN\n")
    check_refused(home.push(project, "--env-file", str(project / "p.env")), "$TOKEN")
    linked(project / "q.env", home.folder / "secret.env")
    check_refused(home.push(project, "--env-file", str(project / "q.env")), "secret.env")


def test_dry_run_lists_what_would_be_asked_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAG", "one")
    project = home.project(
        compose_yaml="services: {web: {build: ., image: 'web:${TAG}', env_file: ../../secret.env, "
        "environment: [HOME]}}\n"
    )
    run = home.push(project, "--dry-run", "--json")
    assert run.code == 0, run
    assert run.data["outside"] == [str(home.folder / "secret.env")]
    assert (run.data["variables"], run.data["variables_in_names"]) == (["HOME"], ["TAG"])
    assert SECRET not in run.out
    shown = home.push(project, "--dry-run").out
    assert str(home.folder / "secret.env") in shown
    assert home.engine.changes == []
