"""What a saved file means by the lines for live mode, and by the rules of compose."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.live_mapping import CHANGED, PROJECT, WORK, planned, short

from resin_toolkit.errors import BadValue
from resin_toolkit.live.mapping.actions import FileAction, NoAction, Rebuild, Restart, Sync, SyncTarget
from resin_toolkit.project import dev_directives
from resin_toolkit.project.application import WatchAction, WatchRule

LIVE = """\
FROM a
WORKDIR /app
COPY package.json .
RUN npm ci --production
#dev-env=DEBUG=1 MODE="a b"
#dev-copy=package.json lib ./live/
  #dev-copy=--chown=node public /srv/www
COPY . .
#dev-cmd-live=npm run watch
CMD ["node", "index.js"]
"""


def test_dev_directives_are_parsed() -> None:
    found = dev_directives.parse_dev_directives(LIVE)
    assert [(one.kind.value, one.line) for one in found.all] == [
        ("env", 5),
        ("copy", 6),
        ("copy", 7),
        ("cmd-live", 9),
    ]
    assert found.command == "npm run watch"
    assert found.values == {"DEBUG": "1", "MODE": '"a b"'}
    assert dev_directives.parse_dev_directives("FROM a\n#dev-run=apk add x\n").runs == ("apk add x",)
    live = dev_directives.live_dockerfile(LIVE, found).split("\n")
    assert live[4:7] == [
        'ENV DEBUG=1 MODE="a b"',
        "COPY package.json lib ./live/",
        "COPY --chown=node public /srv/www",
    ]
    assert live[8:10] == ["CMD npm run watch", ""]


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("#dev-cmd=x", "#dev-cmd is not a known directive", "Did you mean #dev-cmd-live?"),
        ("#dev-copy=", "#dev-copy has no value", "Write #dev-copy=…"),
        ("#dev-copy=x", "COPY has too few arguments", "Write COPY"),
    ],
)
def test_an_invalid_dev_directive_is_an_error(line: str, message: str, hint: str) -> None:
    with pytest.raises(BadValue, match=f"Dockerfile, line 2: {message}") as failure:
        dev_directives.parse_dev_directives(f"FROM a\n{line}\n")
    assert hint in failure.value.hint


def rule(action: WatchAction, path: str, target: str = "", **more: tuple[str, ...]) -> WatchRule:
    return WatchRule(action, Path("/home/project") / path, target, **more)


def test_dev_copy_precedes_watch_and_watch_precedes_the_dockerfile() -> None:
    mapping = planned(
        LIVE, watch=[rule(WatchAction.SYNC, "lib", "/watched"), rule(WatchAction.SYNC, "conf", "/watched")]
    )
    assert short(mapping.action_for("package.json", CHANGED)) == "/app/live/package.json"
    assert short(mapping.action_for("lib/deep/b.js", CHANGED)) == "/app/live/deep/b.js"
    assert short(mapping.action_for("public/index.html", CHANGED)) == "/srv/www/index.html node"
    assert mapping.action_for("conf/app.conf", CHANGED) == Sync(
        (SyncTarget("/watched/app.conf"),), restart=False
    )
    assert mapping.action_for("index.js", CHANGED) == Sync((SyncTarget("/app/index.js"),))


def test_a_dev_run_after_a_dev_copy_may_depend_on_it() -> None:
    text = f"{WORK}#dev-copy=lib /live/\n#dev-run=npm i\nCOPY . ."
    effect = planned(text).action_for("lib/a.js", CHANGED)
    assert effect == Rebuild("lib/a.js: line 4 RUN npm i may depend on it")
    assert short(planned(text).action_for("index.js", CHANGED)) == "/app/index.js"
    later = planned(f"{WORK}COPY . .\n#dev-run=make")
    assert later.action_for("index.js", CHANGED) == Rebuild("index.js: line 4 RUN make may depend on it")


def test_files_of_a_dev_copy_are_not_synced_by_the_dockerfile() -> None:
    mapping = planned(f"{WORK}COPY . .\n#dev-copy=lib/a.js index.js")
    assert short(mapping.action_for("index.js", CHANGED)) == "-"
    assert short(mapping.action_for("lib/a.js", CHANGED)) == "/app/index.js"


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ([rule(WatchAction.SYNC, "lib", "/w")], "lib/deep/b.js", Sync((SyncTarget("/w/deep/b.js"),), False)),
        ([rule(WatchAction.SYNC_RESTART, "lib", "/w/")], "lib/a.js", Sync((SyncTarget("/w/a.js"),), True)),
        ([rule(WatchAction.SYNC, "main.go", "/w/x.go")], "main.go", Sync((SyncTarget("/w/x.go"),), False)),
        ([rule(WatchAction.RESTART, "conf")], "conf/app.conf", Restart()),
        (
            [rule(WatchAction.REBUILD, "lib")],
            "lib/a.js",
            Rebuild("lib/a.js: develop.watch requires a rebuild"),
        ),
        (
            [rule(WatchAction.SYNC, ".", "/w"), rule(WatchAction.REBUILD, "lib")],
            "lib/a.js",
            Rebuild("lib/a.js: develop.watch requires a rebuild"),
        ),
        (
            [rule(WatchAction.SYNC, ".", "/w"), rule(WatchAction.RESTART, "lib")],
            "lib/a.js",
            Sync((SyncTarget("/w/lib/a.js"),), True),
        ),
        (
            [rule(WatchAction.SYNC, ".", "/w", ignore=("lib/",))],
            "lib/a.js",
            Sync((SyncTarget("/app/lib/a.js"),)),
        ),
        (
            [rule(WatchAction.SYNC, ".", "/w", include=("*.go",))],
            "main.go",
            Sync((SyncTarget("/w/main.go"),), False),
        ),
        (
            [rule(WatchAction.SYNC, ".", "/w", include=("*.go",))],
            "index.js",
            Sync((SyncTarget("/app/index.js"),)),
        ),
        # `lib/**` is everything below lib, and nothing that only begins with the same letters
        (
            [rule(WatchAction.SYNC, ".", "/w", ignore=("lib/**",))],
            "lib/deep/b.js",
            Sync((SyncTarget("/app/lib/deep/b.js"),)),
        ),
        (
            [rule(WatchAction.SYNC, ".", "/w", ignore=("lib/**",))],
            "library.js",
            Sync((SyncTarget("/w/library.js"),), False),
        ),
        (
            [rule(WatchAction.SYNC, ".", "/w", include=("lib/**",))],
            "lib/deep/b.js",
            Sync((SyncTarget("/w/lib/deep/b.js"),), False),
        ),
        (
            [rule(WatchAction.SYNC, ".", "/w", include=("lib/**",))],
            "main.go",
            Sync((SyncTarget("/app/main.go"),)),
        ),
        ([rule(WatchAction.SYNC, "../shared", "/w")], "../shared/x", Sync((SyncTarget("/w/x"),), False)),
        ([rule(WatchAction.SYNC, "../shared", "/w")], "../other/x", NoAction()),
        ([rule(WatchAction.SYNC, "lib", "/w")], "library.js", Sync((SyncTarget("/app/library.js"),))),
        ([rule(WatchAction.SYNC, ".", "/w")], "ignored/x", NoAction()),
    ],
)
def test_develop_watch_rules(rules: list[WatchRule], path: str, expected: FileAction) -> None:
    assert (
        planned(f"{WORK}COPY . .", (*PROJECT, "library.js"), watch=rules).action_for(path, CHANGED)
        == expected
    )
