"""The scripts by which a shell asks resin at TAB: where they lie, and where a shell looks for them.

A wheel brings them to the shells' own folders under its prefix; a shell loads them by itself where that is
its own prefix too. For an environment of its own (pipx, venv), `resin --install-completion` copies one to the
user's folder of the shell. Source: the FAQ of bash-completion, zshcompsys(1), fish's page on completions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.errors import BadValue, PathNotFound, from_os_error
from resin_toolkit.terminal.screen import Screen


def _base(variable: str, default: str) -> Path:
    """A folder of the XDG Base Directory Specification."""
    named = os.environ.get(variable, "")
    return Path(named) if Path(named).is_absolute() else Path.home() / default


def _bash_folder() -> Path:
    named = os.environ.get("BASH_COMPLETION_USER_DIR", "").partition(":")[0]
    return Path(named) if named else _base("XDG_DATA_HOME", ".local/share") / "bash-completion"


@dataclass(frozen=True)
class Script:
    """The script of a shell: its name in a checkout, its place under a prefix, and the user's own."""

    file: str
    shared: str
    place: Callable[[], Path]
    before: str
    """Below the home folder: where earlier versions put theirs, which a shell takes first."""
    needs: str

    def text(self) -> str:
        """Raises PathNotFound."""
        for path in self._places():
            if path.is_file():
                return path.read_text(encoding="utf-8")
        raise PathNotFound(f"The script {self.shared} is missing.", hint="Install resin-toolkit anew.")

    def _places(self) -> list[Path]:
        from importlib.metadata import PackageNotFoundError, distribution

        home = Path(__file__).parents[2]
        found = [home / "completions" / self.file] if (home / "pyproject.toml").is_file() else []
        try:
            files = distribution("resin-toolkit").files or []
        except PackageNotFoundError:
            files = []
        return [*found, *(Path(str(f.locate())) for f in files if f.as_posix().endswith(f"/{self.shared}"))]


SCRIPTS: Mapping[str, Script] = {
    "bash": Script(
        "resin.bash",
        "share/bash-completion/completions/resin",
        lambda: _bash_folder() / "completions" / "resin",
        ".bash_completions/resin.sh",
        "The package bash-completion loads it.",
    ),
    "zsh": Script(
        "_resin",
        "share/zsh/site-functions/_resin",
        lambda: _base("XDG_DATA_HOME", ".local/share") / "zsh" / "site-functions" / "_resin",
        ".zfunc/_resin",
        "In ~/.zshrc, before compinit: fpath+=({folder})",
    ),
    "fish": Script(
        "resin.fish",
        "share/fish/vendor_completions.d/resin.fish",
        lambda: _base("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / "resin.fish",
        "",
        "",
    ),
}


@dataclass(frozen=True)
class Installed:
    """Scripts that were written."""

    shell: str
    paths: tuple[Path, ...]
    needs: str

    def data(self) -> Mapping[str, object]:
        return {"shell": self.shell, "files": [str(path) for path in self.paths]}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        needs = f"{self.needs}\n" if self.needs else ""
        written = " and ".join(str(path) for path in self.paths)
        return f"Completion for {self.shell} was written to {written}.\n{needs}It is there in the next shell."


@dataclass(frozen=True)
class Shown:
    """A script, to be read."""

    shell: str

    def data(self) -> Mapping[str, object]:
        return {"shell": self.shell, "script": _script(self.shell).text()}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return _script(self.shell).text().rstrip("\n")


def used_shell() -> str:
    """The shell that resin was started from, where that is one that there is a script for; else $SHELL's."""
    try:
        parent = Path(f"/proc/{os.getppid()}/comm").read_text(encoding="utf-8").strip().lstrip("-")
    except OSError:
        parent = ""
    return parent if parent in SCRIPTS else Path(os.environ.get("SHELL", "")).name


def install(shell: str) -> Installed:
    """Write the script to the user's folder of that shell. Raises BadValue, or what a file raises."""
    script = _script(shell)
    text = script.text()
    old = Path.home() / script.before
    paths = [script.place(), *([old] if script.before and old.is_file() else [])]
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise from_os_error(error, path) from error
    return Installed(shell, tuple(paths), script.needs.format(folder=paths[0].parent))


def _script(shell: str) -> Script:
    if shell not in SCRIPTS:
        raise BadValue(
            f"There is no completion for {shell or 'this shell'}.",
            hint="There is one for bash, zsh and fish; start resin from that shell, or set SHELL.",
        )
    return SCRIPTS[shell]
