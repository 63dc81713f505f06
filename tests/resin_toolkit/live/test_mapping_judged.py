"""The predicted effect of a saved file, compared with an image that a real engine rebuilds."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from device.stand_in import StandIn
from support.engine_parts import connected
from support.live_builds import Look, Site, Tree, TreeContext, difference
from support.live_mapping import CHANGED, short
from support.live_projects import random_change, random_project

from resin_toolkit.errors import BuildFailed
from resin_toolkit.live.mapping.actions import FileAction, FileChange, NoAction, Rebuild, Sync

PROVED = (
    "FROM stand-in\nWORKDIR /w\nCOPY . .\nCOPY d/a ./c.py\n",
    "FROM stand-in\nCOPY --chown=5:6 d /tmp\nADD d/e b /new/\nCOPY a /bin\n",
    "FROM stand-in AS s\nCOPY --chown=4 . /s/\nFROM scratch\nCOPY --from=s /s/d /x\n"
    "COPY --from=s /s/*.py /y/\nCOPY b /\nCOPY --from=s --chown=5 /s/g/a s/a /z/\n",
    "FROM stand-in AS s\nWORKDIR /s\nONBUILD COPY d e/\nFROM s\nENV A=/s B=$A/q\nCOPY a $B/\nCOPY */e /z/\n",
    "FROM stand-in\nCOPY b /x/\nRUN mkdir -p /k && rm /x/b\nCOPY d/a /k\nCOPY ?.py g/* /l/\n",
    "FROM stand-in\nCOPY g d /x/a/\nCOPY d /x\nCOPY d/e d /y/\nCOPY d /z/\n",
    "FROM stand-in\nCOPY */a /x/\nCOPY d/b d/e/a c.py b /y/\nCOPY g/a g-h/a b /z/\n",
)
TREE: Tree = {
    name: f"{name} at first"
    for name in ("a", "b", "c.py", "d/a", "d/b", "d/c.py", "d/e/a", "g/a", "g/h/e", "g-h/a")
}


@pytest.fixture(scope="module")
def site(kitchen: StandIn) -> Iterator[Site]:
    with connected(kitchen, "tcp") as engine:
        yield Site(kitchen, engine)


def claimed(effect: FileAction, after: Tree, path: str) -> dict[str, Look | None]:
    """What is other in the container after the effect."""
    if not isinstance(effect, Sync):
        return {}
    return {
        place.path: ("0", 0o640, *owner(place.owner), after[path]) if path in after else None
        for place in effect.targets
    }


def owner(text: str) -> tuple[int, int]:
    user, _, group = text.partition(":")
    return int(user or 0), int(group or user or 0)


def judged(
    site: Site, dockerfile: str, first: dict[str, Look], before: Tree, change: tuple[str, FileChange, Tree]
) -> tuple[str, bool]:
    """The predicted effect of a change, and whether a rebuilt image shows that and nothing else."""
    path, what, after = change
    context = TreeContext(before)
    mapping = site.planned(dockerfile, context, first)
    context.tree = after
    effect = mapping.action_for(path, what)
    if isinstance(effect, Rebuild):
        return "rebuild", True
    try:
        real_change = difference(first, site.built(dockerfile, after))
    except BuildFailed:
        # A stage that nothing is taken from may name what was deleted.
        return short(effect), effect == NoAction()
    # A folder that comes and goes with its files is not told of.
    matters = {
        place: look
        for place, look in real_change.items()
        if (look or first[place])[0] != "5" or (look and place in first)
    }
    wanted = {place: look for place, look in claimed(effect, after, path).items() if first.get(place) != look}
    return short(effect), matters == wanted


@pytest.mark.root
@pytest.mark.parametrize("dockerfile", PROVED)
def test_a_synced_change_equals_a_rebuilt_image(site: Site, dockerfile: str) -> None:
    first = site.built(dockerfile, TREE)
    said: dict[str, str] = {}
    wrong = []
    for path in TREE:
        said[path], right = judged(site, dockerfile, first, TREE, (path, CHANGED, {**TREE, path: "other"}))
        wrong += [] if right else [(path, said[path])]
    assert wrong == []
    assert sum(meaning not in ("rebuild", "-") for meaning in said.values()) >= 4, said


@pytest.mark.root
def test_random_changes_equal_a_rebuilt_image(site: Site) -> None:
    chance = random.Random(11)
    wrong, said = [], []
    while len(said) < 30:
        dockerfile, tree = random_project(chance)
        try:
            first = site.built(dockerfile, tree)
        except BuildFailed:
            continue
        for _ in range(3):
            change = random_change(chance, tree)
            meaning, right = judged(site, dockerfile, first, tree, change)
            said.append(meaning)
            if not right:
                wrong.append((dockerfile, sorted(tree), *change[:2], meaning))
    assert wrong == []
    assert sum(meaning == "rebuild" for meaning in said) < len(said) / 2
