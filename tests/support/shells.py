"""bash, zsh and fish as a user has them at TAB: on a terminal, with the scripts that `resin` installs."""

from __future__ import annotations

import os
import pty
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.resin_command import PATIENCE, PROGRAM, environment, program

SHELLS = ("bash", "zsh", "fish")
READY = "ready> "
_ALL, _TELL = "\x14", "\x07"
"""Keys: put in all that could come next; write the line to a file, and empty it."""
_BASH = """
. /usr/share/bash-completion/bash_completion
PS1='ready> '
tell() { printf '%s\\n' "$READLINE_LINE" >>~/told; READLINE_LINE=; }
bind -x '"\\C-g": tell'
bind '"\\C-t": insert-completions'
"""
_ZSH = """
fpath=(~/.local/share/zsh/site-functions $fpath)
autoload -U compinit; compinit -u
PS1='ready> '
zle -C all complete-word _generic
zstyle ':completion:all:*' completer _all_matches _complete
zstyle ':completion:all:*' insert true
tell() { print -r -- "$BUFFER" >>! ~/told; BUFFER= }
zle -N tell
bindkey '^T' all
bindkey '^G' tell
"""
_START = {"bash": ["bash", "-i"], "zsh": ["zsh", "-i"]}


def user(home: Path, **changes: str) -> dict[str, str]:
    """The environment of a user whose home folder is `home`, and who finds `resin` by its name."""
    mine = {key: value for key, value in environment().items() if not key.startswith(("XDG_", "BASH_"))}
    mine |= {
        "HOME": str(home),
        "PATH": f"{PROGRAM.parent}:{mine['PATH']}",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }
    return {**mine, **changes}


class Shell:
    """One shell that waits for a line; `screen` is all that it has shown."""

    def __init__(self, name: str, home: Path, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.screen = ""
        self._folder, self._environment = folder, environment
        self._told = home / "told"
        self._told.touch()
        self._lines = 0
        if name == "fish":
            return
        self._pid, self._terminal = pty.fork()
        if not self._pid:
            os.chdir(folder)
            os.execvpe(_START[name][0], _START[name], environment)
        self._read_until(lambda: READY in self.screen)

    def offers(self, line: str) -> list[str]:
        """All words that could stand at the end of `line`, as a program would get them."""
        if self.name == "fish":
            return [row.split("\t")[0] for row in self._fish(line)]
        typed = line.split()
        before = len(typed) if line.endswith(" ") else len(typed) - 1
        found = shlex.split(self.tab(line, _ALL))[before:]
        return [] if found == typed[before:] else found

    def tab(self, line: str, key: str = "\t") -> str:
        """What becomes of the line as TAB is struck; of bash and zsh alone."""
        os.write(self._terminal, (line + key + _TELL).encode())
        self._read_until(lambda: len(self._told.read_text().splitlines()) > self._lines)
        self._lines += 1
        return self._told.read_text().splitlines()[-1]

    def end(self) -> None:
        if self.name == "fish":
            return
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def _fish(self, line: str) -> list[str]:
        done = subprocess.run(
            ["fish", "--private", "-c", 'complete -C "$argv[1]"', line],
            cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=PATIENCE,
            check=True,
        )  # fmt: skip
        self.screen += done.stderr
        return done.stdout.splitlines()

    def _read_until(self, done: object) -> None:
        assert callable(done)
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, self.screen
            if select.select([self._terminal], [], [], 0.05)[0]:
                self.screen += os.read(self._terminal, 65536).decode(errors="replace")


@contextmanager
def shell(name: str, home: Path, folder: Path, **changes: str) -> Iterator[Shell]:
    """A shell of a user who has installed the completion, in `folder`."""
    mine = user(home, SHELL=f"/bin/{name}", **changes)
    installed = program("--install-completion", env=mine)
    assert installed.code == 0, installed
    (home / ".bashrc").write_text(_BASH)
    (home / ".zshrc").write_text(_ZSH)
    started = Shell(name, home, folder, mine)
    try:
        yield started
    finally:
        started.end()
