"""What a saved file means to a Dockerfile: a table of cases, by instruction."""

from __future__ import annotations

import pytest
from support.live_builds import TreeContext
from support.live_mapping import CHANGED, DELETED, PROJECT, WORK, base_of, planned, short

from resin_toolkit.errors import BadValue
from resin_toolkit.live.mapping.actions import Rebuild
from resin_toolkit.live.mapping.file_mapping import MappingInputs, make_mapping
from resin_toolkit.project.dockerfile import parse_dockerfile


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
    assert short(mapping.action_for(path, CHANGED)) == expected


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
def test_deleting_a_file_or_folder(text: str, path: str, expected: str) -> None:
    mapping = planned(text, (*PROJECT, "other/a.js"))
    context = mapping.known.context
    assert isinstance(context, TreeContext)
    gone = [name for name in context.tree if name == path or name.startswith(f"{path}/")]
    context.tree = {name: "" for name in context.tree if name not in gone}
    changes = [(path, DELETED), *((name, DELETED) for name in gone if name != path)]
    assert short(mapping.actions_for(changes)[0]) == expected


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        (f"{WORK}COPY package.json .\nRUN npm ci", "package.json", "line 4 RUN npm ci may depend on it"),
        ("FROM a\nADD bundle.tar.gz /x/", "bundle.tar.gz", "line 2 ADD bundle.tar.gz /x/ unpacks it"),
        ("FROM mystery\nCOPY . /x", "main.go", "the configuration of the image mystery is unknown"),
        ("FROM a\nCOPY . /d/\nVOLUME /d", "main.go", "it is in the volume /d, which outlives the image"),
        ("FROM a\nCOPY . /m/x/", "main.go", "a volume or folder is mounted at /m"),
        (
            "FROM a\nCOPY *.js *.go /x",
            "main.go",
            "line 2 COPY *.js *.go /x copies several files to a destination",
        ),
        (
            "FROM a AS b\nCOPY main.go /unknown\nFROM a\nCOPY --from=b /unknown /x/",
            "main.go",
            "it is unknown whether /unknown is a folder at line 2 COPY main.go /unknown",
        ),
        ("FROM a\nCOPY main.go ${a", "main.go", "line 2 COPY main.go ${a: ${a has no }"),
    ],
)
def test_a_rebuild_has_a_reason(text: str, path: str, reason: str) -> None:
    effect = planned(text, mounts=("/m",)).action_for(path, CHANGED)
    assert isinstance(effect, Rebuild)
    assert effect.reason.startswith(f"{path}: {reason}")


def test_symbolic_links_are_synced_in_folders_and_rebuilt_as_sources() -> None:
    tree = {"lib/a": "", "lib/link": "-> a", "way": "-> lib"}

    def effect(text: str, path: str) -> str:
        known = MappingInputs(TreeContext(tree), base_of)
        return short(make_mapping(parse_dockerfile(text), known).action_for(path, CHANGED))

    assert effect("FROM a\nCOPY . /x/", "lib/link") == "/x/lib/link"
    assert effect("FROM a\nCOPY lib/link /x/", "lib/link") == "rebuild"
    assert effect("FROM a\nCOPY way /x/", "lib/a") == "rebuild"
    assert effect("FROM a\nCOPY way/a /x/", "lib/a") == "rebuild"
    assert effect("FROM a\nCOPY w* /x/", "lib/a") == "rebuild"
    stage = "FROM a AS b\nCOPY lib /s/\nFROM a\nCOPY --from=b"
    assert effect(f"{stage} /s /x", "lib/link") == "/x/link"
    assert effect(f"{stage} /s/link /x/", "lib/link") == "rebuild"


def test_a_file_that_becomes_a_folder_requires_a_rebuild() -> None:
    mapping = planned(f"{WORK}COPY . .")
    context = mapping.known.context
    assert isinstance(context, TreeContext)
    context.tree = {**{name: "" for name in PROJECT if name != "main.go"}, "main.go/x": ""}
    found = mapping.actions_for([("main.go", CHANGED), ("main.go/x", CHANGED)])
    assert [short(effect) for effect in found] == ["rebuild", "/app/main.go/x"]


def test_target_and_build_args_are_respected() -> None:
    text = "ARG D=/one\nFROM a AS one\nARG D\nCOPY lib $D/\nFROM a AS two\nCOPY lib /two/\n"
    assert short(planned(text, target="one", D="/given").action_for("lib/a.js", CHANGED)) == "/given/a.js"
    assert short(planned(text).action_for("lib/a.js", CHANGED)) == "/two/a.js"
    with pytest.raises(BadValue):
        planned(text, target="three")
