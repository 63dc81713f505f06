"""The completion scripts of the shells: where resin ships them, and where a shell looks for them.

A wheel installs them under its prefix, where a shell with the same prefix finds them. For an environment of
its own (pipx, venv), `resin --install-completion` copies one to the user's directory for the shell.
Source: the FAQ of bash-completion, zshcompsys(1), fish's page on completions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.errors import BadValue, PathNotFound, from_os_error
from resin_toolkit.terminal.screen import Screen


def _base(variable: str, default: str) -> Path:
    """Return a directory of the XDG Base Directory Specification."""
    named = os.environ.get(variable, "")
    return Path(named) if Path(named).is_absolute() else Path.home() / default


def _bash_folder() -> Path:
    named = os.environ.get("BASH_COMPLETION_USER_DIR", "").partition(":")[0]
    return Path(named) if named else _base("XDG_DATA_HOME", ".local/share") / "bash-completion"


@dataclass(frozen=True)
class Script:
    """The script of a shell: its file in a checkout, its path under a prefix, and the user's path."""

    file: str
    shared: str
    user_path: Callable[[], Path]
    old_path: str
    """Where earlier versions put theirs, below the home directory; a shell prefers it."""
    requirement: str

    def text(self) -> str:
        """Raises PathNotFound."""
        for path in self._places():
            if path.is_file():
                return path.read_text(encoding="utf-8")
        raise PathNotFound(f"The script {self.shared} is missing.", hint="Reinstall resin-toolkit.")

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
        "It needs the package bash-completion.",
    ),
    "zsh": Script(
        "_resin",
        "share/zsh/site-functions/_resin",
        lambda: _base("XDG_DATA_HOME", ".local/share") / "zsh" / "site-functions" / "_resin",
        ".zfunc/_resin",
        "Add to ~/.zshrc, before compinit: fpath+=({folder})",
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
class InstalledScript:
    """The result of --install-completion."""

    shell: str
    paths: tuple[Path, ...]
    requirement: str

    def data(self) -> Mapping[str, object]:
        return {"shell": self.shell, "files": [str(path) for path in self.paths]}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        requirement = f"{self.requirement}\n" if self.requirement else ""
        written = " and ".join(str(path) for path in self.paths)
        return f"Wrote completion for {self.shell} to {written}.\n{requirement}Start a new shell to use it."


@dataclass(frozen=True)
class PrintedScript:
    """The result of --show-completion."""

    shell: str

    def data(self) -> Mapping[str, object]:
        return {"shell": self.shell, "script": _script(self.shell).text()}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return _script(self.shell).text().rstrip("\n")


def current_shell() -> str:
    """The shell that started resin if there is a script for it, else the one in $SHELL."""
    try:
        parent = Path(f"/proc/{os.getppid()}/comm").read_text(encoding="utf-8").strip().lstrip("-")
    except OSError:
        parent = ""
    return parent if parent in SCRIPTS else Path(os.environ.get("SHELL", "")).name


def install(shell: str) -> InstalledScript:
    """Write the script to the user's directory for that shell. Raises BadValue, and errors of the file."""
    script = _script(shell)
    text = script.text()
    old = Path.home() / script.old_path
    paths = [script.user_path(), *([old] if script.old_path and old.is_file() else [])]
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise from_os_error(error, path) from error
    return InstalledScript(shell, tuple(paths), script.requirement.format(folder=paths[0].parent))


def _script(shell: str) -> Script:
    if shell not in SCRIPTS:
        raise BadValue(
            f"Completion is not available for {shell or 'this shell'}.",
            hint="Run resin from bash, zsh or fish, or set SHELL.",
        )
    return SCRIPTS[shell]
