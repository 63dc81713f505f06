"""Random edits of a project's folder, as editors, build tools and people make them."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

_FOLDERS = ("", "a", "b", "a/c", "a/c/d", "e", "b/f", "deps")
_NAMES = ("one", "two.py", "three.txt", "four", "x y", "ü", "-dash")
_MODES = (0o644, 0o600, 0o755, 0o640, 0o666)
_FOLDER_MODES = (0o755, 0o700, 0o750, 0o777)
_LEFT_ALONE = frozenset({"resin.toml", "Dockerfile", ".dockerignore", "main.sh", "text", "sentinel"})


class Edits:
    """Edits of the folder `root`, drawn by `chance`."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.root = root
        self._chance = chance
        self._count = 0

    def one(self) -> str:
        """Make one edit; what it was."""
        kinds = (
            *(self._write,) * 6,
            *(self._delete,) * 3,
            *(self._rename,) * 2,
            *(self._chmod,) * 2,
            *(self._link,) * 1,
            *(self._saved_by_an_editor,) * 2,
            *(self._move_folder,) * 1,
            *(self._remove_folder,) * 1,
            *(self._make_folder,) * 1,
            *(self._swap_kind,) * 1,
            *(self._hard_link,) * 1,
        )
        self._count += 1
        edit = self._chance.choice(kinds)
        return f"{edit.__name__.strip('_')} {edit()}"

    # the edits; each returns what it was about

    def _write(self) -> str:
        path = self._somewhere()
        if path.is_dir() and not path.is_symlink():
            return "nothing"
        if path.is_symlink():
            path.unlink()
        path.write_text(self._text())
        return self._name(path)

    def _saved_by_an_editor(self) -> str:
        """Written beside, and moved over the file, which is first moved aside."""
        path = self._somewhere()
        if path.is_dir() or path.is_symlink():
            return "nothing"
        beside = path.with_name(f".{path.name}.swp")
        beside.write_text(self._text())
        if path.exists():
            path.rename(path.with_name(f"{path.name}~"))
        beside.rename(path)
        path.with_name(f"{path.name}~").unlink(missing_ok=True)
        return self._name(path)

    def _delete(self) -> str:
        path = self._any(lambda path: path.is_symlink() or path.is_file())
        if path is None:
            return "nothing"
        path.unlink()
        return self._name(path)

    def _rename(self) -> str:
        path, target = self._any(lambda path: path.is_symlink() or path.is_file()), self._somewhere()
        if path is None or (target.is_dir() and not target.is_symlink()):
            return "nothing"
        path.replace(target)
        return f"{self._name(path)} -> {self._name(target)}"

    def _chmod(self) -> str:
        path = self._any(lambda path: not path.is_symlink())
        if path is None:
            return "nothing"
        path.chmod(self._chance.choice(_FOLDER_MODES if path.is_dir() else _MODES))
        return self._name(path)

    def _link(self) -> str:
        path = self._somewhere()
        if path.is_dir() and not path.is_symlink():
            return "nothing"
        path.unlink(missing_ok=True)
        path.symlink_to(self._chance.choice(("one", "../a", "/etc/passwd", "nowhere", "a/c")))
        return self._name(path)

    def _hard_link(self) -> str:
        path, target = self._any(lambda path: path.is_file() and not path.is_symlink()), self._somewhere()
        if path is None or target.exists() or target.is_symlink():
            return "nothing"
        os.link(path, target)
        return f"{self._name(path)} = {self._name(target)}"

    def _move_folder(self) -> str:
        path = self._any(lambda path: path.is_dir() and not path.is_symlink())
        target = self.root / self._chance.choice(("a", "b", "e", "a/moved", "moved", "b/f"))
        if path is None or target.exists() or target.is_symlink() or target.is_relative_to(path):
            return "nothing"
        if not target.parent.is_dir():
            return "nothing"
        path.rename(target)
        return f"{self._name(path)} -> {self._name(target)}"

    def _remove_folder(self) -> str:
        path = self._any(lambda path: path.is_dir() and not path.is_symlink())
        if path is None or self._chance.random() < 0.5:
            return "nothing"
        shutil.rmtree(path)
        return self._name(path)

    def _make_folder(self) -> str:
        path = self.root / self._chance.choice(("a", "b", "e", "new", "a/new", "e/f/g"))
        if path.exists() or path.is_symlink() or not path.parent.is_dir():
            return "nothing"
        path.mkdir()
        return self._name(path)

    def _swap_kind(self) -> str:
        """A folder becomes a file, a file a folder, or a link either of them."""
        path = self._any(lambda _: True)
        if path is None:
            return "nothing"
        was_folder = path.is_dir() and not path.is_symlink()
        if was_folder:
            shutil.rmtree(path)
        else:
            path.unlink()
        if was_folder or self._chance.random() < 0.4:
            path.write_text(self._text())
        else:
            path.mkdir()
            (path / "inside").write_text(self._text())
        return self._name(path)

    # where

    def _somewhere(self) -> Path:
        """A path, there or not, in a folder that is there."""
        folder = self.root / self._chance.choice(_FOLDERS)
        if folder.is_symlink() or not folder.is_dir():
            folder = self.root
            if self._chance.random() < 0.3:
                folder = self.root / self._chance.choice(("a", "b", "e"))
                if folder.is_symlink() or not folder.is_dir():
                    folder.unlink(missing_ok=True)
                    folder.mkdir()
        return folder / self._chance.choice(_NAMES)

    def _any(self, fits: object) -> Path | None:
        assert callable(fits)
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders if name != ".resin")
            found += [Path(folder) / name for name in sorted([*folders, *names])]
        wanted = [path for path in found if path.name not in _LEFT_ALONE and fits(path)]
        return self._chance.choice(wanted) if wanted else None

    def _text(self) -> str:
        return f"edit {self._count}\n" * self._chance.choice((1, 1, 3, 5000))

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.root))
