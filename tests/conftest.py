"""How every test run is set up: signals, hypothesis, the order of the tests, and which of them are quick."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings
from support.scheduling import FileScheduling, is_quick, is_quick_file, seconds_of

# The same examples for everybody and in every run; `tests/run --random` looks for others, and for more.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("random", derandomize=False, deadline=None, print_blob=True, max_examples=300)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="only tests that are fast and need neither root nor an engine"
    )
    parser.addoption("--soak", action="store_true", help="the tests marked `soak` too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "root: needs root, for loop devices or namespaces; fails without it")
    config.addinivalue_line("markers", "soak: takes minutes and repeats what a shorter test checks once")
    _handle_signals_that_are_ignored()


def _handle_signals_that_are_ignored() -> None:
    """Let the programs that tests start have default signal handlers, under `nohup` or a script's `&` too.

    A program inherits that a signal is ignored; a handler of ours becomes the default one in it. A hangup
    still does not end the tests themselves.
    """
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each fault that is declared above it; see faults/table.py."""
    declared = getattr(metafunc.function, "faults", None)
    if declared is not None:
        names = [f"{each.command}-{each.goes_wrong}".replace(" ", "_") for each in declared]
        metafunc.parametrize("fault", declared, ids=names)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") is not None and os.geteuid() != 0:
        pytest.fail("This test needs root. Run the tests as root, or with --quick.", pytrace=False)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """In a quick run, do not even import the files none of whose tests are quick."""
    if config.getoption("--quick") and collection_path.name.startswith("test_"):
        return not is_quick_file(collection_path) or None
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for; in a worker, start the files that take longest first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: -seconds_of(item.path))
    left_out = [item for item in items if _is_left_out(item, config)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _is_left_out(item: pytest.Item, config: pytest.Config) -> bool:
    if config.getoption("--quick") and not is_quick(item):
        return True
    return item.get_closest_marker("soak") is not None and not config.getoption("--soak")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FileScheduling:
    return FileScheduling(config, log)
