"""The lock files in tests/requirements: the packages of an environment, with the hashes of their files.

`python tests/support/lock_files.py UV` rewrites them by the program UV, which asks the package index;
`tests/run --lock` calls it. `python tests/support/lock_files.py --unlocked` prints what pyproject.toml
asks for. Neither needs an installed package.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent.parent
FOLDER = CHECKOUT / "tests" / "requirements"
LOCK_FILES = {
    "locked.txt": ("build", "project", "test", "lint"),
    "oldest.txt": ("build", "project", "test"),
    "fuzz.txt": ("fuzz",),
    "uv.txt": ("lock",),
}
"""The groups of pyproject.toml that each file locks."""
# Only versions with wheels: pip would build others with packages that nothing locks.
_UV = (
    "pip",
    "compile",
    "--quiet",
    "--universal",
    "--no-build",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
)


def wanted() -> dict[str, list[str]]:
    """What pyproject.toml asks for: `build`, `project`, and each optional group of packages by its name."""
    table = _pyproject()
    return {
        "build": table["build-system"]["requires"],
        "project": table["project"]["dependencies"],
        **table["project"]["optional-dependencies"],
    }


def lowest_python() -> str:
    """The oldest Python that pyproject.toml admits, such as `3.11`."""
    return _pyproject()["project"]["requires-python"].removeprefix(">=")


def rewrite(uv: str) -> None:
    """Lock the newest versions that pyproject.toml admits; in oldest.txt, the oldest ones."""
    groups = wanted()
    for name, parts in LOCK_FILES.items():
        # What these packages depend on is the newest in oldest.txt too: pyproject.toml does not choose it.
        oldest = ["--resolution=lowest-direct"] if name == "oldest.txt" else []
        lines = "".join(f"{line}\n" for part in parts for line in groups[part])
        command = [uv, *_UV, f"--python-version={lowest_python()}", *oldest, "-"]
        done = subprocess.run(
            command, input=lines, stdout=subprocess.PIPE, text=True, check=True, cwd=CHECKOUT
        )
        (FOLDER / name).write_text(done.stdout, encoding="utf-8")


def _pyproject() -> dict[str, Any]:
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


if __name__ == "__main__":
    if sys.argv[1:] == ["--unlocked"]:
        groups = wanted()
        print(*(line for part in ("build", "project", "test", "fuzz") for line in groups[part]), sep="\n")
    else:
        rewrite(sys.argv[1])
