"""Input of hostile projects, devices and images that would take a parser's time or stack."""

from __future__ import annotations

import subprocess
import sys

import pytest

from resin_toolkit.bounded_toml import MOST_BYTES, parse_toml
from resin_toolkit.untrusted_json import number

DEEP = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "[" + "a." * DEEP + "a]\n",
        "a." * DEEP + "a = 1\n",
        "a = " + "[" * DEEP,
        "a = " + "{a = " * DEEP,
        "#" * (MOST_BYTES + 1),
    ],
    ids=["table", "key", "array", "inline-table", "large"],
)
def test_toml_that_would_take_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"too many|too deeply|larger|at line"):
        parse_toml(text)


def test_a_long_list_of_addresses_is_read() -> None:
    addresses = [f"10.0.{n // 250}.{n % 250}" for n in range(500)]
    assert parse_toml(f"a = {addresses}") == {"a": addresses}


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("os_release", 'A="' + "${B:-" * DEEP),
        ("os_release", "A=" + "'" * DEEP),
        ("settings", "[" + "a." * DEEP + "a]\n"),
        ("answers", "[" + "a." * DEEP + "a]\n"),
        ("engine_json", "[" * DEEP),
        ("terminal_text", "\x1b]" * DEEP),
        ("ignore", "*a" * 5000 + "b\n" + "a" * 4000),
    ],
    # pytest puts the name of a test into the environment, where a text of this length does not fit.
    ids=lambda value: value[:12],
)
def test_no_reader_hangs(target: str, text: str) -> None:
    """Each of these took from 20 seconds to hours."""
    program = "import sys; from fuzz.targets import run; run(sys.argv[1], sys.stdin.buffer.read())"
    path = next(folder for folder in sys.path if folder.endswith("tests"))
    ended = subprocess.run(
        [sys.executable, "-c", program, target], input=text.encode(), cwd=path, timeout=60, check=False
    )
    assert ended.returncode == 0


@pytest.mark.parametrize("value", [10**300, -(10**300), True, 1.5, "7", None])
def test_a_number_that_is_no_count_is_zero(value: object) -> None:
    assert number({"RestartCount": value}, "RestartCount") == 0


@pytest.mark.parametrize("slug", ["[" * DEEP, '{"slug": 1}', "{"], ids=lambda value: value[:12])
def test_a_device_type_that_cannot_be_read_is_unknown(slug: str) -> None:
    from resin_toolkit.reach.device_info import _slug

    assert _slug(slug) == ""
