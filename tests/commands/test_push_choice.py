"""What `resin push` builds and runs of a project with one service: its Dockerfile, and what is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.pushed_projects import RUNS, UNPRIVILEGED, Bench, write

pytestmark = pytest.mark.root

SAYS = f'FROM stand-in\nCMD ["sh", "-c", "echo {{}}; {RUNS}"]\n'
"""A Dockerfile whose container writes a word."""


def said(bench: Bench, name: str = "garden_main") -> str:
    return bench.logs(name).strip()


FILES = {
    "Dockerfile.raspberrypi3": SAYS.format("machine"),
    "Dockerfile.armv7hf": SAYS.format("arch"),
    "Dockerfile.template": SAYS.format("%%RESIN_MACHINE_NAME%% %%BALENA_ARCH%% %%RESIN_APP_NAME%%"),
    "Dockerfile": SAYS.format("plain"),
}


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [(0, "machine"), (1, "arch"), (2, "raspberrypi3 armv7hf garden"), (3, "plain")],
)
def test_the_most_specific_dockerfile_is_built(
    bench: Bench, tmp_path: Path, left_out: int, expected: str
) -> None:
    project = write(tmp_path / "garden", {"resin.toml": UNPRIVILEGED, **dict(list(FILES.items())[left_out:])})
    run = bench.push(project)
    assert run.code == 0, run
    assert said(bench) == expected


def test_the_device_type_option_takes_precedence(bench: Bench, tmp_path: Path) -> None:
    project = write(
        tmp_path / "garden", {**FILES, "Dockerfile.fincm3": SAYS.format("fin"), "resin.toml": UNPRIVILEGED}
    )
    assert bench.push(project, "--device-type", "fincm3").code == 0
    assert said(bench) == "fin"
    assert bench.environment("garden_main")["RESIN_DEVICE_TYPE"] == "fincm3"
    run = bench.push(project, "--device-type", "rasberrypi3", "--json")
    assert (run.code, run.out.count("\n")) == (2, 1)
    assert "raspberrypi3" in run.error["hint"]


def test_the_dockerfile_and_target_options(bench: Bench, garden: Path) -> None:
    write(
        garden,
        {"docker/other": f"FROM stand-in AS one\n{SAYS.format('one').partition(chr(10))[2]}FROM scratch\n"},
    )
    run = bench.push(garden, "--dockerfile", "docker/other", "--target", "one")
    assert run.code == 0, run
    assert said(bench) == "one"
    run = bench.push(garden, "--dockerfile", "docker/oter", "--json")
    assert (run.code, run.error["code"]) == (3, "file-not-found")
    assert run.error["hint"] == "Did you mean docker/other?"
    assert bench.push(garden, "--dockerfile", "docker/other", "--target", "two").code == 2


def test_build_arguments(bench: Bench, garden: Path) -> None:
    write(garden, {"Dockerfile": "FROM stand-in\nARG A\nARG B\nENV SAID=$A-$B\nCMD echo $SAID; sleep 1000\n"})
    run = bench.push(garden, "--build-arg", "A=one", "--build-arg", "B", B="two")
    assert run.code == 0, run
    assert said(bench) == "one-two"
    run = bench.push(garden, "--build-arg", "=x")
    assert (run.code, "--build-arg" in run.err) == (2, True)


def test_variables(bench: Bench, garden: Path, tmp_path: Path) -> None:
    file = tmp_path / "variables"
    file.write_text("# said\nCOLOUR=red\nSHAPE='a b'\nALONE\n")
    run = bench.push(garden, "--env-file", file, "--env", "COLOUR=blue", "--env", "MINE", MINE="m", ALONE="a")
    assert run.code == 0, run
    found = bench.environment("garden_main")
    assert (found["COLOUR"], found["SHAPE"], found["MINE"], found["ALONE"]) == ("blue", "a b", "m", "a")
    run = bench.push(garden, "--env-file", tmp_path / "none", "--json")
    assert (run.code, run.error["code"]) == (3, "file-not-found")
    assert bench.push(garden, "--env", "A B=c").code == 2


def test_values_of_variables_are_never_printed(bench: Bench, garden: Path, tmp_path: Path) -> None:
    secret = "hunter2-hunter2"
    (tmp_path / "file").write_text(f"TOKEN={secret}\n")
    for words in (["--env", f"TOKEN={secret}"], ["--env-file", tmp_path / "file"], ["--env", f"={secret}"]):
        for more in ([], ["--json"], ["--dry-run"], ["--dry-run", "--json"], ["--debug"]):
            run = bench.push(garden, *words, *more)
            assert secret not in run.out + run.err, (words, more)
    (tmp_path / "file").write_text(f"TOKEN='{secret}\n")
    run = bench.push(garden, "--env-file", tmp_path / "file")
    assert run.code == 2
    assert secret not in run.out + run.err
    write(garden, {"resin.toml": f'{UNPRIVILEGED}env = {{ TOKEN = ["{secret}"] }}\n'})
    run = bench.push(garden)
    assert (run.code, secret in run.err, "resin.toml, line 4" in run.err) == (2, False, True)


def test_the_name_option(bench: Bench, garden: Path) -> None:
    assert bench.push(garden, "--name", "yard").code == 0
    assert bench.containers() == ["yard_main"]
    assert bench.environment("yard_main")["RESIN_APP_NAME"] == "yard"
    run = bench.push(garden, "--name", "No Name")
    assert (run.code, "application name" in run.err) == (2, True)


def test_no_step_of_the_build_comes_from_the_cache(bench: Bench, garden: Path) -> None:
    assert bench.push(garden).code == 0
    first = bench.container("garden_main")["Image"]
    run = bench.push(garden, "--no-cache")
    assert run.code == 0, run
    assert "Using cache" not in run.err
    assert "Step 2" in run.err
    assert bench.container("garden_main")["Image"] != first


def test_a_folder_that_is_named_with_spaces_and_a_source_within(bench: Bench, tmp_path: Path) -> None:
    project = tmp_path / "my garden (ä)"
    write(project, {"resin.toml": f'source = "the code"\n{UNPRIVILEGED}'})
    write(project / "the code", {"Dockerfile": SAYS.format("within"), "a b": "c"})
    run = bench.resin("push", bench.device.address, "--detach", "--source", project, cwd=tmp_path)
    assert run.code == 0, run
    assert bench.containers() == ["my-garden_main"]
    assert said(bench, "my-garden_main") == "within"
    assert not (tmp_path / ".resin").exists()
    run = bench.resin("push", bench.device.address, "--detach", "--source", "none", cwd=tmp_path)
    assert (run.code, "folder none does not exist" in run.err) == (3, True)


def test_a_project_with_modules_named_as_ours(bench: Bench, garden: Path) -> None:
    write(
        garden,
        {
            "commands/__init__.py": "1/0\n",
            "commands/push/command.py": "1/0\n",
            "image_tools/__init__.py": "1/0\n",
        },
    )
    run = bench.push(garden, PYTHONPATH=".")
    assert run.code == 0, run


def test_a_missing_project_is_reported_before_the_device_search(bench: Bench, tmp_path: Path) -> None:
    for words in ([], [bench.device.address]):
        run = bench.resin("push", *words, "--detach", cwd=tmp_path)
        assert run.code == 3
        assert f"{tmp_path} has no Dockerfile." in run.err
        assert "Create a project with `resin init`." in run.err
        assert "searching the network" not in run.err
    assert not (tmp_path / ".resin").exists()


def test_a_folder_instead_of_a_device(bench: Bench, garden: Path) -> None:
    for word in (garden, "./", "."):
        run = bench.push(garden, device=str(word))
        assert run.code == 2
        assert "--source" in run.err, run


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[run\nprivileged = false\n", "resin.toml, line 1"),
        ("[run]\nprivileged = false\nrestrt = 'no'\n", 'Did you mean "restart"?'),
        ("[run]\nports = ['80:80']\nnetwork = 'host'\n", "resin.toml, line 2"),
    ],
)
def test_invalid_settings(bench: Bench, garden: Path, toml: str, told: str) -> None:
    write(garden, {"resin.toml": toml})
    run = bench.push(garden, "--json")
    assert run.code in (1, 2)
    assert told in run.error["message"] + run.error["hint"]
    assert bench.containers() == []


def test_options_that_exclude_each_other(bench: Bench, garden: Path) -> None:
    run = bench.push(garden, "--image", "x", "--dockerfile", "y", "--json")
    assert (run.code, run.error["code"]) == (2, "usage")
    run = bench.push(garden, "--service", "web", "--json")
    assert (run.code, run.error["code"]) == (3, "service-not-found")
    assert run.error["hint"] == "Its services are: main."


def test_a_dry_run_sends_nothing(bench: Bench, garden: Path) -> None:
    images = bench.images()
    run = bench.push(garden, "--dry-run", "--env", "A=1")
    assert run.code == 0, run
    assert f"build    {garden / 'Dockerfile'}" in run.out
    assert "raspberrypi3, armv7hf" in run.out
    assert "/mnt/data/resin-data/garden:/data" in run.out
    data = bench.push(garden, "--dry-run", "--json").data
    [service] = data["services"]
    assert service["build"]["dockerfile"] == str(garden / "Dockerfile")
    assert service["build"]["files"] == 3
    assert service["run"]["HostConfig"]["NetworkMode"] == "host"
    assert (bench.images(), bench.containers()) == (images, [])


def test_the_project_remembers_its_device(bench: Bench, garden: Path) -> None:
    assert bench.push(garden).code == 0
    assert not (garden / ".resin").exists()
    [entry] = [known for name, known in bench.state("projects.json").items() if name == str(garden)]
    assert (entry["device"], entry["app"]) == (bench.device.address, "garden")
    (garden / "sub").mkdir()
    for words, folder in ((["--detach"], garden), (["--detach", "--source", garden], Path("/"))):
        run = bench.resin("push", *words, cwd=folder)
        assert run.code == 0, run
        assert "unchanged main" in run.out
    assert bench.resin("ps", cwd=garden / "sub").code == 0


def test_the_device_of_the_environment_and_of_the_settings(bench: Bench, garden: Path) -> None:
    run = bench.push(garden, device="", RESIN_DEVICE=bench.device.address)
    assert run.code == 0, run
    write(garden, {"resin.toml": f'device = "{bench.device.address}"\n{UNPRIVILEGED}'})
    assert bench.push(garden, device="").code == 0
    # What was remembered in the project by older releases, or by whoever made it, is not read.
    write(garden, {".resin/device": "10.91.0.0\n", ".resin/app": "other\n"})
    assert bench.push(garden, device="").code == 0


def test_a_device_that_is_unreachable(bench: Bench, garden: Path) -> None:
    run = bench.push(garden, "--json", device=f"{bench.desk.address}:2")
    assert run.code == 6
    assert run.error["code"] == "unreachable"
    assert not (garden / ".resin").exists()
