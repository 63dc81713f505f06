"""What a saved file means: a table of cases, Dockerfiles as projects have them, a real engine as judge."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from device.stand_in import StandIn
from engine_parts import connected, device_with_image
from live_builds import Look, Site, Tree, TreeContext, difference
from live_projects import random_change, random_project
from loop_devices import needs_root

from resin_toolkit.errors import BadValue, BuildFailed
from resin_toolkit.live import directives
from resin_toolkit.live.effects import Change, Effect, Nothing, Place, Rebuild, Restart, Sync
from resin_toolkit.live.facts import Base, FolderContext
from resin_toolkit.live.mapping import FileMapping, Surroundings, plan
from resin_toolkit.project.application import Action, WatchRule
from resin_toolkit.project.dockerfile import parse
from resin_toolkit.project.go_match import is_pattern, matches
from resin_toolkit.project.ignore import IgnoreRules

real = pytest.mark.skipif(needs_root(), reason="namespaces need root")

CHANGED, DELETED = Change.CHANGED, Change.DELETED
FOLDERS = ("/", "/usr", "/usr/src", "/etc", "/app", "/srv")
"""In the image that was built."""
PROJECT = (
    *("package.json", "package-lock.json", "index.js", "lib/a.js", "lib/deep/b.js", "public/index.html"),
    *("conf/app.conf", "bundle.tar.gz", "main.go", "src/Main.java", "requirements.txt", "app/main.py"),
)


def base_of(reference: str) -> Base | None:
    if reference == "mystery":
        return None
    if reference.endswith("-onbuild"):
        return Base({}, "", ("COPY package.json /usr/src/app/", "RUN npm i", "COPY . /usr/src/app/"))
    return Base({"HOME": "/root", "WHERE": "/from/base"}, "/based", (), ("/var/lib/db",))


def planned(
    text: str,
    files: Sequence[str] = PROJECT,
    *,
    target: str = "",
    watch: Sequence[WatchRule] = (),
    mounts: tuple[str, ...] = (),
    **args: str,
) -> FileMapping:
    found = directives.read(text)
    known = Surroundings(
        TreeContext(dict.fromkeys(files, "")),
        base_of,
        is_folder=FOLDERS.__contains__,
        mounts=mounts,
        is_ignored=lambda path: path.startswith("ignored"),
        root=Path("/home/project"),
    )
    return plan(parse(text), known, target=target, build_args=args, directives=found, watch=watch)


def short(effect: Effect) -> str:
    """The places of a sync with a blank between, `-` for nothing, `rebuild`."""
    if isinstance(effect, Sync):
        return " ".join(
            place.path
            + (f" {place.owner}" if place.owner else "")
            + (f" {place.mode:o}" if place.mode else "")
            for place in effect.places
        )
    return {Nothing: "-", Rebuild: "rebuild", Restart: "restart"}[type(effect)]


WORK = "FROM a\nWORKDIR /app\n"


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        # a file, and what the destination is
        ("FROM a\nCOPY index.js /x/", "index.js", "/x/index.js"),
        ("FROM a\nCOPY index.js /app", "index.js", "/app/index.js"),
        ("FROM a\nCOPY index.js /start.js", "index.js", "/start.js"),
        ("FROM a\nCOPY index.js /", "index.js", "/index.js"),
        (f"{WORK}COPY index.js .", "index.js", "/app/index.js"),
        (f"{WORK}COPY index.js ./x.js", "index.js", "/app/x.js"),
        (f"{WORK}WORKDIR sub\nCOPY index.js ./", "index.js", "/app/sub/index.js"),
        ("FROM a\nCOPY index.js sub/", "index.js", "/based/sub/index.js"),
        ("FROM a\nCOPY index.js .", "index.js", "/based/index.js"),
        ("FROM scratch\nCOPY index.js .", "index.js", "/index.js"),
        ("FROM scratch\nCOPY index.js /app", "index.js", "/app"),
        ("FROM a\nCOPY index.js /new/x/\nCOPY main.go /new", "main.go", "/new/main.go"),
        # folders
        (f"{WORK}COPY . .", "lib/deep/b.js", "/app/lib/deep/b.js"),
        (f"{WORK}COPY lib .", "lib/deep/b.js", "/app/deep/b.js"),
        (f"{WORK}COPY lib/ ./lib/", "lib/a.js", "/app/lib/a.js"),
        (f"{WORK}COPY lib public ./both/", "public/index.html", "/app/both/index.html"),
        (f"{WORK}COPY . .", "lib", "/app/lib"),
        (f"{WORK}COPY . .", "lib/new.js", "/app/lib/new.js"),
        (f"{WORK}COPY lib .", "index.js", "-"),
        (f"{WORK}COPY lib .", "library.js", "-"),
        # patterns
        (f"{WORK}COPY *.js ./", "index.js", "/app/index.js"),
        (f"{WORK}COPY *.js ./", "lib/a.js", "-"),
        (f"{WORK}COPY * ./", "lib/a.js", "/app/a.js"),
        (f"{WORK}COPY l?b/*.js ./", "lib/a.js", "/app/a.js"),
        (f"{WORK}COPY package*.json ./", "package-new.json", "/app/package-new.json"),
        (f"{WORK}COPY [!x]ndex.js ./", "index.js", "-"),
        ('FROM a\nCOPY ["index.js", "/with blank/"]', "index.js", "/with blank/index.js"),
        # values
        ("ARG D=/o\nFROM a\nARG D\nCOPY index.js $D/", "index.js", "/o/index.js"),
        ("ARG D=/o\nFROM a\nCOPY index.js /p$D/", "index.js", "/p/index.js"),
        ("FROM a\nARG D=/o\nENV D=/env\nCOPY index.js ${D}/", "index.js", "/env/index.js"),
        ("FROM a\nCOPY index.js $WHERE/", "index.js", "/from/base/index.js"),
        ("FROM a\nCOPY index.js ${NONE:-/d}/", "index.js", "/d/index.js"),
        ("FROM a\nENV A=x B=$A\nCOPY index.js /d$B/", "index.js", "/d/index.js"),
        ("FROM a\nARG GIVEN=default\nCOPY index.js /$GIVEN/", "index.js", "/given/index.js"),
        ("FROM a\nCOPY index.js /a/$GIVEN/", "index.js", "/a/index.js"),
        # owner and mode
        ("FROM a\nCOPY --chown=node:node index.js /x/", "index.js", "/x/index.js node:node"),
        ("FROM a\nARG U=5\nCOPY --chown=$U --chmod=755 index.js /x/", "index.js", "/x/index.js 5 755"),
        ("FROM a\nUSER node\nCOPY index.js /x/", "index.js", "/x/index.js"),
        ("FROM a\nCOPY --chmod=a+x index.js /x/", "index.js", "rebuild"),
        # RUN
        (f"{WORK}COPY package.json ./\nRUN npm ci\nCOPY . .", "package.json", "rebuild"),
        (f"{WORK}COPY package.json ./\nRUN npm ci\nCOPY . .", "index.js", "/app/index.js"),
        (f"{WORK}COPY . .\nCMD x\nHEALTHCHECK CMD x\nENTRYPOINT y\nEXPOSE 1", "index.js", "/app/index.js"),
        # what another COPY brings to the same place
        (f"{WORK}COPY . .\nCOPY conf/app.conf index.js", "index.js", "-"),
        (f"{WORK}COPY conf/app.conf index.js\nCOPY . .", "conf/app.conf", "/app/conf/app.conf"),
        (f"{WORK}COPY . .\nCOPY index.js /b/", "index.js", "/app/index.js /b/index.js"),
        (f"{WORK}COPY index.js main.go\nCOPY main.go .\nRUN x", "index.js", "-"),
        (f"{WORK}COPY --chown=1 . .\nCOPY --chown=2 lib lib", "lib/a.js", "/app/lib/a.js 2"),
        (f"{WORK}COPY lib/same one/same ./", "lib/same", "-"),
        (f"{WORK}COPY lib/same one/same ./", "one/same", "/app/same"),
        (f"{WORK}COPY */same ./", "one/same", "-"),
        (f"{WORK}COPY */same ./", "one-b/same", "/app/same"),
        ("FROM a\nCOPY lib /x/same/\nCOPY one /x", "lib/a.js", "-"),
        ("FROM a\nCOPY lib /x/deep/\nCOPY lib /x", "lib/a.js", "/x/a.js /x/deep/a.js"),
        (f"{WORK}COPY one two ./", "two/same/x", "rebuild"),
        # ADD
        ("FROM a\nADD index.js /x/", "index.js", "/x/index.js"),
        ("FROM a\nADD . /x/", "bundle.tar.gz", "/x/bundle.tar.gz"),
        ("FROM a\nADD http://h/x /x\nADD https://h/x lib /y/", "lib/deep/b.js", "/y/deep/b.js"),
        ("FROM a\nADD https://h/x lib /y/", "lib/a.js", "rebuild"),
        # volumes
        ("FROM a\nVOLUME /x/data\nCOPY . /x", "index.js", "/x/index.js"),
        ("FROM a\nCOPY . /x/data/\nVOLUME /x/data", "index.js", "rebuild"),
        ("FROM a\nCOPY . /var/lib/db/x/", "index.js", "rebuild"),
        # stages
        ("FROM a AS b\nCOPY . /s/\nFROM a\nCOPY --from=b /s/lib /y/", "lib/a.js", "/y/a.js"),
        ("FROM a AS b\nCOPY . /s/\nFROM a\nCOPY --from=b /s/lib /y/", "index.js", "-"),
        ("FROM a AS b\nCOPY . /s/\nFROM a\nCOPY --from=0 s/index.js /y", "index.js", "/y"),
        ("FROM a AS b\nCOPY . /s/\nRUN make\nFROM a\nCOPY --from=b /s/lib /y/", "lib/a.js", "rebuild"),
        ("FROM a AS b\nCOPY . /s/\nRUN make\nFROM a\nCOPY lib /y/", "lib/a.js", "/y/a.js"),
        (
            "FROM a AS b\nCOPY lib /s/\nRUN x\nFROM a\nCOPY --from=b /s /y/\nCOPY main.go /z/",
            "main.go",
            "/z/main.go",
        ),
        ("FROM a AS b\nCOPY --chown=5 . /s/\nFROM b\nCOPY lib /l/", "lib/a.js", "/l/a.js /s/lib/a.js 5"),
        ("FROM a AS b\nCOPY . /s/\nFROM b\nRUN x", "lib/a.js", "rebuild"),
        (
            "FROM a AS b\nCOPY . /s/\nFROM a AS c\nCOPY --from=b /s /t\nFROM a\nCOPY --from=c /t /u/",
            "main.go",
            "/u/main.go",
        ),
        ("FROM a AS b\nCOPY . /s/\nFROM a\nCOPY lib /y/\nCOPY --from=b /s /y/", "lib/a.js", "rebuild"),
        ("FROM a\nCOPY lib /y/\nCOPY --from=other:1 /s /y/", "lib/a.js", "rebuild"),
        ("FROM a\nCOPY --from=other:1 /s /y/\nCOPY lib /y/", "lib/a.js", "/y/a.js"),
        (
            "FROM a AS b\nCOPY --chown=5 . /s/\nFROM a\nCOPY --from=b --chown=6 /s/main.go /t/",
            "main.go",
            "/t/main.go 6",
        ),
        ("FROM a AS b\nCOPY --chown=5 . /s/\nFROM a\nCOPY --from=b /s/lib /t/", "lib/a.js", "/t/a.js 5"),
        ("FROM a AS b\nCOPY --chown=me . /s/\nFROM a\nCOPY --from=b /s/lib /t/", "lib/a.js", "rebuild"),
        ("FROM a AS b\nCOPY lib /s/\nFROM a\nCOPY --from=b /s/a.js /etc/a.js /t/", "lib/a.js", "rebuild"),
        ("FROM a AS b\nCOPY lib /s/\nFROM a\nCOPY --from=b /s/*.js /t/", "lib/a.js", "rebuild"),
        # base images
        ("FROM node-onbuild", "index.js", "/usr/src/app/index.js"),
        ("FROM node-onbuild", "package.json", "rebuild"),
        ("FROM a AS b\nONBUILD COPY lib /l/\nFROM b", "lib/a.js", "/l/a.js"),
        ("FROM a AS b\nONBUILD COPY lib /l/\nFROM b AS c\nFROM c", "index.js", "-"),
        ("FROM a\nONBUILD COPY lib /l/", "lib/a.js", "-"),
        ("FROM a AS b\nONBUILD RUN x\nFROM b AS c\nCOPY lib /l/\nFROM c", "lib/a.js", "/l/a.js"),
        (
            "FROM a AS b\nONBUILD RUN x\nFROM a AS c\nCOPY lib /l/\nFROM b\nCOPY lib /l/",
            "lib/a.js",
            "/l/a.js",
        ),
        ("FROM mystery\nCOPY lib /l/", "lib/a.js", "rebuild"),
        # the build itself
        (f"{WORK}COPY . .", "Dockerfile", "rebuild"),
        (f"{WORK}COPY . .", ".dockerignore", "rebuild"),
        (f"{WORK}COPY . .", "ignored/x", "-"),
    ],
)
def test_a_change_of_a_file(text: str, path: str, expected: str) -> None:
    more = ("two/same/x", "lib/same", "one/same", "one-b/same")
    mapping = planned(
        text,
        (*PROJECT, *more, "lib/new.js", "package-new.json", "library.js", "ignored/x", "Dockerfile"),
        GIVEN="given",
    )
    assert short(mapping.effect(path, CHANGED)) == expected


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (f"{WORK}COPY . .", "lib/a.js", "/app/lib/a.js"),
        (f"{WORK}COPY . .", "lib", "/app/lib"),
        (f"{WORK}COPY lib lib", "lib/a.js", "/app/lib/a.js"),
        (f"{WORK}COPY lib lib", "lib", "rebuild"),
        (f"{WORK}COPY index.js .", "index.js", "rebuild"),
        (f"{WORK}COPY package*.json ./", "package.json", "/app/package.json"),
        (f"{WORK}COPY index*.js ./", "index.js", "rebuild"),
        (f"{WORK}COPY * ./", "lib", "rebuild"),
        (f"{WORK}COPY public .\nCOPY lib .", "lib/a.js", "/app/a.js"),
        (f"{WORK}COPY conf/app.conf a.js\nCOPY lib .", "lib/a.js", "rebuild"),
        (f"{WORK}COPY lib other ./", "lib/a.js", "rebuild"),
        (f"FROM a AS b\nCOPY main.go /\n{WORK}COPY . .", "main.go", "rebuild"),
        (f"FROM a AS b\nCOPY main.go /\n{WORK}COPY lib .", "main.go", "rebuild"),
        (f"{WORK}COPY . .\nCOPY conf lib/deep/", "lib/deep", "rebuild"),
        (f"{WORK}COPY . .\nWORKDIR lib", "lib", "rebuild"),
        ("FROM a\nCOPY . /", "lib/a.js", "rebuild"),
        ("FROM a\nCOPY . /etc/", "app/main.py", "rebuild"),
        ("FROM a\nCOPY . /", "src/Main.java", "/src/Main.java"),
        ("FROM scratch\nCOPY . /", "main.go", "/main.go"),
        ("FROM a\nCOPY . /", "main.go", "rebuild"),
        (f"{WORK}COPY . .\nRUN x", "lib/a.js", "rebuild"),
        ("FROM a AS b\nCOPY . /s/\nFROM a\nCOPY --from=b /s/main.go /app/", "main.go", "rebuild"),
        ("FROM a AS b\nCOPY . /s/\nFROM a\nCOPY --from=b /s/lib /app/", "lib/a.js", "/app/a.js"),
    ],
)
def test_a_file_or_folder_that_is_deleted(text: str, path: str, expected: str) -> None:
    mapping = planned(text, (*PROJECT, "other/a.js"))
    context = mapping.known.context
    assert isinstance(context, TreeContext)
    gone = [name for name in context.tree if name == path or name.startswith(f"{path}/")]
    context.tree = {name: "" for name in context.tree if name not in gone}
    changes = [(path, DELETED), *((name, DELETED) for name in gone if name != path)]
    assert short(mapping.effects(changes)[0]) == expected


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        (f"{WORK}COPY package.json .\nRUN npm ci", "package.json", "line 4 RUN npm ci may depend on it"),
        ("FROM a\nADD bundle.tar.gz /x/", "bundle.tar.gz", "line 2 ADD bundle.tar.gz /x/ unpacks it"),
        ("FROM mystery\nCOPY . /x", "main.go", "what the image mystery does by itself is not known"),
        ("FROM a\nCOPY . /d/\nVOLUME /d", "main.go", "it lies in the volume /d, which outlives the image"),
        ("FROM a\nCOPY . /m/x/", "main.go", "something else is mounted at /m"),
        (
            "FROM a\nCOPY *.js *.go /x",
            "main.go",
            "line 2 COPY *.js *.go /x copies several files, and its destination",
        ),
        (
            "FROM a AS b\nCOPY main.go /unknown\nFROM a\nCOPY --from=b /unknown /x/",
            "main.go",
            "whether /unknown is a folder at line 2 COPY main.go /unknown is not known",
        ),
        ("FROM a\nCOPY main.go ${a", "main.go", "line 2 COPY main.go ${a: ${a has no }"),
    ],
)
def test_a_rebuild_says_why(text: str, path: str, reason: str) -> None:
    effect = planned(text, mounts=("/m",)).effect(path, CHANGED)
    assert isinstance(effect, Rebuild)
    assert effect.reason.startswith(f"{path}: {reason}")


def test_symbolic_links_are_copied_in_a_folder_and_unsure_as_sources() -> None:
    tree = {"lib/a": "", "lib/link": "-> a", "way": "-> lib"}

    def effect(text: str, path: str) -> str:
        known = Surroundings(TreeContext(tree), base_of)
        return short(plan(parse(text), known).effect(path, CHANGED))

    assert effect("FROM a\nCOPY . /x/", "lib/link") == "/x/lib/link"
    assert effect("FROM a\nCOPY lib/link /x/", "lib/link") == "rebuild"
    assert effect("FROM a\nCOPY way /x/", "lib/a") == "rebuild"
    assert effect("FROM a\nCOPY way/a /x/", "lib/a") == "rebuild"
    assert effect("FROM a\nCOPY w* /x/", "lib/a") == "rebuild"
    stage = "FROM a AS b\nCOPY lib /s/\nFROM a\nCOPY --from=b"
    assert effect(f"{stage} /s /x", "lib/link") == "/x/link"
    assert effect(f"{stage} /s/link /x/", "lib/link") == "rebuild"


def test_a_file_that_has_become_a_folder_is_a_rebuild() -> None:
    mapping = planned(f"{WORK}COPY . .")
    context = mapping.known.context
    assert isinstance(context, TreeContext)
    context.tree = {**{name: "" for name in PROJECT if name != "main.go"}, "main.go/x": ""}
    found = mapping.effects([("main.go", CHANGED), ("main.go/x", CHANGED)])
    assert [short(effect) for effect in found] == ["rebuild", "/app/main.go/x"]


def test_a_target_and_build_args_count() -> None:
    text = "ARG D=/one\nFROM a AS one\nARG D\nCOPY lib $D/\nFROM a AS two\nCOPY lib /two/\n"
    assert short(planned(text, target="one", D="/given").effect("lib/a.js", CHANGED)) == "/given/a.js"
    assert short(planned(text).effect("lib/a.js", CHANGED)) == "/two/a.js"
    with pytest.raises(BadValue):
        planned(text, target="three")


# the lines for live mode, and the rules of compose

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


def test_the_lines_for_live_mode_are_read() -> None:
    found = directives.read(LIVE)
    assert [(one.kind.value, one.line) for one in found.all] == [
        ("env", 5),
        ("copy", 6),
        ("copy", 7),
        ("cmd-live", 9),
    ]
    assert found.command == "npm run watch"
    assert found.values == {"DEBUG": "1", "MODE": '"a b"'}
    assert directives.read("FROM a\n#dev-run=apk add x\n").runs == ("apk add x",)
    live = directives.live_text(LIVE, found).split("\n")
    assert live[4:7] == [
        'ENV DEBUG=1 MODE="a b"',
        "COPY package.json lib ./live/",
        "COPY --chown=node public /srv/www",
    ]
    assert live[8:10] == ["CMD npm run watch", ""]


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("#dev-cmd=x", "there is no #dev-cmd", "Did you mean #dev-cmd-live?"),
        ("#dev-copy=", "#dev-copy has nothing", "Write #dev-copy=…"),
        ("#dev-copy=x", "COPY has too few arguments", "Write COPY"),
    ],
)
def test_a_wrong_line_for_live_mode_is_named(line: str, message: str, hint: str) -> None:
    with pytest.raises(BadValue, match=f"Dockerfile, line 2: {message}") as failure:
        directives.read(f"FROM a\n{line}\n")
    assert hint in failure.value.hint


def rule(action: Action, path: str, target: str = "", **more: tuple[str, ...]) -> WatchRule:
    return WatchRule(action, Path("/home/project") / path, target, **more)


def test_dev_copy_wins_over_watch_and_watch_over_the_dockerfile() -> None:
    mapping = planned(
        LIVE, watch=[rule(Action.SYNC, "lib", "/watched"), rule(Action.SYNC, "conf", "/watched")]
    )
    assert short(mapping.effect("package.json", CHANGED)) == "/app/live/package.json"
    assert short(mapping.effect("lib/deep/b.js", CHANGED)) == "/app/live/deep/b.js"
    assert short(mapping.effect("public/index.html", CHANGED)) == "/srv/www/index.html node"
    assert mapping.effect("conf/app.conf", CHANGED) == Sync((Place("/watched/app.conf"),), restart=False)
    assert mapping.effect("index.js", CHANGED) == Sync((Place("/app/index.js"),))


def test_a_dev_run_after_a_dev_copy_may_depend_on_it() -> None:
    text = f"{WORK}#dev-copy=lib /live/\n#dev-run=npm i\nCOPY . ."
    effect = planned(text).effect("lib/a.js", CHANGED)
    assert effect == Rebuild("lib/a.js: line 4 RUN npm i may depend on it")
    assert short(planned(text).effect("index.js", CHANGED)) == "/app/index.js"
    later = planned(f"{WORK}COPY . .\n#dev-run=make")
    assert later.effect("index.js", CHANGED) == Rebuild("index.js: line 4 RUN make may depend on it")


def test_what_a_dev_copy_covers_is_not_brought_by_the_dockerfile() -> None:
    mapping = planned(f"{WORK}COPY . .\n#dev-copy=lib/a.js index.js")
    assert short(mapping.effect("index.js", CHANGED)) == "-"
    assert short(mapping.effect("lib/a.js", CHANGED)) == "/app/index.js"


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ([rule(Action.SYNC, "lib", "/w")], "lib/deep/b.js", Sync((Place("/w/deep/b.js"),), False)),
        ([rule(Action.SYNC_RESTART, "lib", "/w/")], "lib/a.js", Sync((Place("/w/a.js"),), True)),
        ([rule(Action.SYNC, "main.go", "/w/x.go")], "main.go", Sync((Place("/w/x.go"),), False)),
        ([rule(Action.RESTART, "conf")], "conf/app.conf", Restart()),
        ([rule(Action.REBUILD, "lib")], "lib/a.js", Rebuild("lib/a.js: develop.watch says rebuild")),
        (
            [rule(Action.SYNC, ".", "/w"), rule(Action.REBUILD, "lib")],
            "lib/a.js",
            Rebuild("lib/a.js: develop.watch says rebuild"),
        ),
        (
            [rule(Action.SYNC, ".", "/w"), rule(Action.RESTART, "lib")],
            "lib/a.js",
            Sync((Place("/w/lib/a.js"),), True),
        ),
        ([rule(Action.SYNC, ".", "/w", ignore=("lib/",))], "lib/a.js", Sync((Place("/app/lib/a.js"),))),
        ([rule(Action.SYNC, ".", "/w", include=("*.go",))], "main.go", Sync((Place("/w/main.go"),), False)),
        ([rule(Action.SYNC, ".", "/w", include=("*.go",))], "index.js", Sync((Place("/app/index.js"),))),
        ([rule(Action.SYNC, "../shared", "/w")], "../shared/x", Sync((Place("/w/x"),), False)),
        ([rule(Action.SYNC, "../shared", "/w")], "../other/x", Nothing()),
        ([rule(Action.SYNC, "lib", "/w")], "library.js", Sync((Place("/app/library.js"),))),
        ([rule(Action.SYNC, ".", "/w")], "ignored/x", Nothing()),
    ],
)
def test_the_rules_of_compose(rules: list[WatchRule], path: str, expected: Effect) -> None:
    assert planned(f"{WORK}COPY . .", (*PROJECT, "library.js"), watch=rules).effect(path, CHANGED) == expected


# Dockerfiles as projects have them

NODE = """\
FROM resin/raspberrypi3-node:8 AS build
WORKDIR /usr/src/app
COPY package*.json ./
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
RUN npm run build && npm prune --production

FROM resin/raspberrypi3-node:8-slim
WORKDIR /usr/src/app
COPY --from=build /usr/src/app/node_modules ./node_modules
COPY --from=build /usr/src/app/dist ./dist
COPY package.json start.sh ./
COPY public/ ./public/
CMD ["sh", "start.sh"]
"""
PYTHON = """\
FROM balenalib/raspberrypi3-debian-python:3.7
RUN install_packages gcc libffi-dev
WORKDIR /usr/src/app
COPY requirements.txt requirements.txt
RUN pip install -r requirements.txt
COPY --chown=1000:1000 . .
ENV UDEV=1
CMD ["python", "-u", "app/main.py"]
"""
GO = """\
ARG GO=1.17
FROM golang:$GO AS build
WORKDIR /go/src/thing
COPY go.* ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -o /thing

FROM scratch
COPY --from=build /thing /thing
COPY conf /etc/thing
ENTRYPOINT ["/thing"]
"""
JAVA = """\
FROM maven:3 AS build
COPY pom.xml /build/
COPY src /build/src
WORKDIR /build
RUN mvn -q package
FROM openjdk:8-jre
COPY --from=build /build/target/app.jar /opt/app.jar
ADD conf/*.properties /opt/conf/
CMD java -jar /opt/app.jar
"""


@pytest.mark.parametrize(
    ("text", "meanings"),
    [
        (
            NODE,
            {
                "package.json": "rebuild",
                "src/main.ts": "rebuild",
                "start.sh": "/usr/src/app/start.sh",
                "public/css/x.css": "/usr/src/app/public/css/x.css",
                "README.md": "-",
            },
        ),
        (
            PYTHON,
            {
                "requirements.txt": "rebuild",
                "app/main.py": "/usr/src/app/app/main.py 1000:1000",
                "README.md": "/usr/src/app/README.md 1000:1000",
            },
        ),
        (GO, {"main.go": "rebuild", "conf/thing.toml": "rebuild", "go.sum": "rebuild"}),
        (
            JAVA,
            {
                "pom.xml": "rebuild",
                "src/Main.java": "rebuild",
                "conf/a.properties": "/opt/conf/a.properties",
                "conf/b.xml": "-",
            },
        ),
    ],
)
def test_dockerfiles_as_projects_have_them(text: str, meanings: dict[str, str]) -> None:
    files = [*meanings, "tsconfig.json", "package-lock.json", "go.mod"]
    mapping = planned(text, files)
    assert {path: short(mapping.effect(path, CHANGED)) for path in meanings} == meanings


# parts


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*", "a", True),
        ("*", "a/b", False),
        ("a*/b", "ax/b", True),
        ("?", "/", False),
        ("[^a]", "b", True),
        ("[^a]", "a", False),
        ("[a-c]x", "bx", True),
        ("[c-a]x", "bx", False),
        ("[\\]]", "]", True),
        ("[]a]", "a", False),
        ("[a", "a", False),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("a.b", "axb", False),
        ("a\\", "a", False),
        ("[^a]b", "/b", True),
    ],
)
def test_patterns_match_as_in_go(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


def test_what_a_pattern_is() -> None:
    assert [is_pattern(text) for text in ("a*", "a?", "[a", "\\*", "a\\[b", "\\\\*", "a")] == [
        *(True, True, True, False, False, True, False)
    ]


def test_the_context_of_a_folder(tmp_path: Path) -> None:
    for name in (".git/x", "a", "out/b", "out/keep"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to("a")
    context = FolderContext(tmp_path, IgnoreRules.parse("out\n!out/keep\n"))
    assert {path: str(kind) for path, kind in context.entries()} == {
        "a": "file",
        "link": "link",
        "out/keep": "file",
    }
    assert [context.kind(path) for path in ("out/b", ".git/x", "none")] == [None] * 3
    assert str(context.kind("out/keep")) == "file"


def test_a_base_is_read_from_what_the_engine_says() -> None:
    config = {"Env": ["A=b=c"], "WorkingDir": "/w", "OnBuild": ["RUN x"], "Volumes": {"/v": {}}}
    assert Base.of(config) == Base({"A": "b=c"}, "/w", ("RUN x",), ("/v",))
    assert Base.of({"Env": None, "OnBuild": None, "Volumes": None}) == Base()


# what a real engine builds

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
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with device_with_image(tmp_path_factory.mktemp("home")) as device:
        yield device


@pytest.fixture(scope="module")
def site(kitchen: StandIn) -> Iterator[Site]:
    with connected(kitchen, "tcp") as engine:
        yield Site(kitchen, engine)


def claimed(effect: Effect, after: Tree, path: str) -> dict[str, Look | None]:
    """What is other in the container after the effect."""
    if not isinstance(effect, Sync):
        return {}
    return {
        place.path: ("0", 0o100640, *owner(place.owner), after[path]) if path in after else None
        for place in effect.places
    }


def owner(text: str) -> tuple[int, int]:
    user, _, group = text.partition(":")
    return int(user or 0), int(group or user or 0)


def judged(
    site: Site, dockerfile: str, first: dict[str, Look], before: Tree, change: tuple[str, Change, Tree]
) -> tuple[str, bool]:
    """What is said of a change, and whether an image built anew has that and nothing else."""
    path, what, after = change
    context = TreeContext(before)
    mapping = site.planned(dockerfile, context, first)
    context.tree = after
    effect = mapping.effect(path, what)
    if isinstance(effect, Rebuild):
        return "rebuild", True
    try:
        real_change = difference(first, site.built(dockerfile, after))
    except BuildFailed:
        # A stage that nothing is taken from may name what was deleted.
        return short(effect), effect == Nothing()
    # A folder that comes and goes with its files is not told of.
    matters = {
        place: look
        for place, look in real_change.items()
        if (look or first[place])[0] != "5" or (look and place in first)
    }
    wanted = {place: look for place, look in claimed(effect, after, path).items() if first.get(place) != look}
    return short(effect), matters == wanted


@real
@pytest.mark.parametrize("dockerfile", PROVED)
def test_a_change_means_what_the_image_then_has(site: Site, dockerfile: str) -> None:
    first = site.built(dockerfile, TREE)
    said: dict[str, str] = {}
    wrong = []
    for path in TREE:
        said[path], right = judged(site, dockerfile, first, TREE, (path, CHANGED, {**TREE, path: "other"}))
        wrong += [] if right else [(path, said[path])]
    assert wrong == []
    assert sum(meaning not in ("rebuild", "-") for meaning in said.values()) >= 4, said


@real
def test_random_changes_of_random_projects_mean_what_the_image_then_has(site: Site) -> None:
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
