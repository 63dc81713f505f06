"""The digest of a build's context: what changes it, what does not, and what is not read again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.sent_contexts import LATIN
from support.sent_folders import rewrite, sent_folder  # noqa: F401 - fixtures

from resin_toolkit.project import context_digest
from resin_toolkit.project.context import BuildContext
from resin_toolkit.project.ignore import read_ignore_rules


def replace_link(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda top: (top / "private").write_text("q"),
    "mode": lambda top: (top / "private").chmod(0o644),
    "mode of a folder": lambda top: (top / "empty").chmod(0o700),
    "target": lambda top: replace_link(top / "loop", "pool"),
    "name": lambda top: (top / "private").rename(top / "privy"),
    "file to folder": lambda top: replace_by_folder(top / "none"),
    "new": lambda top: (top / "new").touch(),
    "gone": lambda top: (top / "none").unlink(),
    "large content": lambda top: rewrite(top / "large"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("cached", [True, False])
def test_digest_tells_of_every_change(change: str, cached: bool, settled: Path) -> None:
    cache = settled / ".resin" / "known.json" if cached else None
    before = BuildContext(settled).digest(cache)
    assert BuildContext(settled).digest(cache) == before
    CHANGES[change](settled)
    after = BuildContext(settled).digest(cache)
    assert after != before
    assert BuildContext(settled).digest() == after
    assert BuildContext(settled).digest(cache) == after


@pytest.fixture
def settled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, as if its files had been left alone for long."""
    monkeypatch.setattr(context_digest, "SETTLED_NS", 0)
    settle(folder)
    return folder


def settle(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, ns=(0, 0), follow_symlinks=False)


def test_what_did_not_change_is_not_read_again(settled: Path) -> None:
    cache = settled / ".resin" / "known.json"
    before = BuildContext(settled).digest(cache)
    text = cache.read_text()
    known = json.loads(text)
    assert {"large", "private", f"latin-{LATIN}/{LATIN}"} <= known["files"].keys()
    known["files"]["private"][-1] = "0"
    cache.write_text(json.dumps(known))
    assert BuildContext(settled).digest(cache) != before
    (settled / "private").touch()
    assert BuildContext(settled).digest(cache) == before
    (settled / "private").unlink()
    BuildContext(settled).digest(cache)
    assert "private" not in json.loads(cache.read_text())["files"]


def test_a_hash_of_what_changed_just_now_is_not_kept(folder: Path) -> None:
    cache = folder / ".resin" / "known.json"
    BuildContext(folder).digest(cache)
    assert not cache.exists()


def test_digest_does_not_go_by_time_or_by_what_is_left_out(folder: Path) -> None:
    context = BuildContext(folder, rules=read_ignore_rules(folder))
    before = context.digest()
    settle(folder)
    (folder / "gone" / "more").touch()
    assert context.digest() == before
    extra = {"Dockerfile": (folder / "Dockerfile").read_bytes()}
    assert BuildContext(folder, rules=read_ignore_rules(folder), extra=extra).digest() == before
    extra["Dockerfile"] += b"\n"
    assert BuildContext(folder, rules=read_ignore_rules(folder), extra=extra).digest() != before


def test_digest_tells_a_link_from_a_file_of_that_hash(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    (tmp_path / "x").chmod(0o777)
    before = BuildContext(tmp_path).digest()
    replace_link(tmp_path / "x", hashlib.blake2b(b"x", digest_size=32).hexdigest())
    assert BuildContext(tmp_path).digest() != before


def test_a_cache_that_makes_no_sense(settled: Path) -> None:
    cache = settled / ".resin" / "known.json"
    before = BuildContext(settled).digest(cache)
    for text in ("", "[]", '{"format": 1, "files": 5}', '{"format": 1, "files": {"private": [1]}}'):
        cache.write_text(text)
        assert BuildContext(settled).digest(cache) == before
