"""Dockerfiles taken apart, and a real engine that says what is one."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from device.stand_in import StandIn
from support.engine_parts import connected, tar_of

from resin_toolkit.engine import Engine
from resin_toolkit.engine.build import BuildOptions, build
from resin_toolkit.errors import BadValue, BuildFailed, NotSupported
from resin_toolkit.project.dockerfile import Dockerfile, check_classic, parse_dockerfile
from resin_toolkit.project.dockerfile_lines import ParserDirectives
from resin_toolkit.project.substitution import BadWord, expand, split_words

STAGES = """\
# syntax=docker/dockerfile:1
# escape=`
ARG VERSION=20
FROM node:${VERSION} AS Build

WORKDIR /app
# what it needs
COPY --chown=1000:1000 --from=0 package.json `
  # and what it has
  package-lock.json `

  ./
RUN ["npm", "ci"]
FROM build
ONBUILD COPY . /app
CMD node `
  index.js
"""


def lines_of(dockerfile: Dockerfile) -> list[tuple[str, int, int]]:
    return [(step.keyword, step.line, step.end_line) for step in dockerfile.steps()]


def test_every_instruction_knows_its_lines() -> None:
    found = parse_dockerfile(STAGES)
    assert lines_of(found) == [
        ("ARG", 3, 3),
        ("FROM", 4, 4),
        ("WORKDIR", 6, 6),
        ("COPY", 8, 12),
        ("RUN", 13, 13),
        ("FROM", 14, 14),
        ("ONBUILD", 15, 15),
        ("CMD", 16, 17),
    ]
    assert [(stage.name, stage.base) for stage in found.stages] == [
        ("build", "node:${VERSION}"),
        ("", "build"),
    ]
    assert (found.directives.syntax, found.directives.escape) == ("docker/dockerfile:1", "`")


def test_an_instruction_is_taken_apart() -> None:
    steps = list(parse_dockerfile(STAGES).steps())
    assert steps[3].flags == {"chown": "1000:1000", "from": "0"}
    assert steps[3].arguments == ("package.json", "package-lock.json", "./")
    assert (steps[4].arguments, steps[4].is_json) == (("npm", "ci"), True)
    assert steps[6].arguments == ("COPY . /app",)
    assert (steps[7].arguments, steps[7].is_json) == (("node   index.js",), False)
    assert str(steps[4]) == 'line 13 RUN ["npm", "ci"]'


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("ENV a=b c='d e' f=g\\ h", ("a=b", "c='d e'", "f=g\\ h")),
        ("ENV a b  c=d", ("a=b  c=d",)),
        ("ENV a=", ("a=",)),
        ("LABEL a.b=c", ("a.b=c",)),
        ("ARG a b=c", ("a", "b=c")),
        ("EXPOSE 80\t90/udp", ("80", "90/udp")),
        ("VOLUME /a /b", ("/a", "/b")),
        ('VOLUME ["/a b"]', ("/a b",)),
        ('COPY "a b" c', ('"a', 'b"', "c")),
        ('COPY ["a b", "c"]', ("a b", "c")),
        ("COPY [a, b]", ("[a,", "b]")),
        ("RUN", ()),
        ('RUN ["a"] b', ("a",)),
        ("RUN a\\\\\nRUN b", ("a\\\\",)),
        ("RUN [ls, -l]", ("[ls, -l]",)),
        ("WORKDIR a b", ("a b",)),
        ("HEALTHCHECK --interval=5s CMD curl x", ("CMD", "curl x")),
        ('HEALTHCHECK CMD ["a", "b"]', ("CMD", "a", "b")),
        ("HEALTHCHECK none", ("NONE",)),
        ("RUN -- ls", ("-- ls",)),
        ("COPY -- --a b", ("--a", "b")),
        ("run echo \\\n  # x\n\n  y", ("echo   y",)),
    ],
)
def test_the_arguments_of_each_form(text: str, arguments: tuple[str, ...]) -> None:
    if text == "RUN -- ls":
        arguments = ("ls",)
    assert parse_dockerfile(f"FROM a\n{text}\n").stages[0].instructions[0].arguments == arguments


@pytest.mark.parametrize(
    "command",
    [
        "RUN <<EOF\nmake\n#no comment\nEOF",
        "COPY <<-'A' <<B /x/\nFROM b\n\tA\n\nB",
        "ONBUILD RUN 3<<EOF sh\n\nEOF",
    ],
)
def test_a_heredoc_is_known_and_refused(command: str) -> None:
    found = parse_dockerfile(f"FROM a\n{command}\nCMD x\n")
    first, second = found.stages[0].instructions
    assert second.keyword == "CMD"
    assert first.end_line == second.line - 1
    with pytest.raises(
        NotSupported, match=r"Dockerfile, line 2: the here-document <<(EOF|A) requires BuildKit"
    ):
        check_classic(found)


def test_directives_end_with_the_first_comment_that_is_none() -> None:
    assert parse_dockerfile("# escape=`\n# syntax=x\nFROM a\n").directives == ParserDirectives("`", "x")
    assert parse_dockerfile("# other=1\n# escape=`\nFROM a\n").directives == ParserDirectives()
    assert parse_dockerfile("\n# escape=`\nFROM a\n").directives == ParserDirectives()


def test_an_instruction_ends_with_the_last_line_that_says_something() -> None:
    found = parse_dockerfile("FROM a\nRUN a \\\n  b \\\n\n# and\n")
    assert lines_of(found)[1] == ("RUN", 2, 3)


@pytest.mark.parametrize(
    "command", ["RUN echo $((1<<2))", "RUN cat <<<x", "RUN echo '<<EOF'", "CMD cat <<EOF", "RUN cat <<EOF"]
)
def test_what_only_looks_like_a_heredoc_is_none(command: str) -> None:
    check_classic(parse_dockerfile(f"FROM a\n{command}\n"))


@pytest.mark.parametrize(
    "command",
    ["COPY --chmod=755 a b", "COPY --link a b", "RUN --mount=type=cache,target=/x a", "ADD --checksum=a b c"],
)
def test_flags_of_buildkit_are_refused_by_name(command: str) -> None:
    with pytest.raises(
        NotSupported, match=f"line 2: {command.split('=')[0].split(' a')[0]} requires BuildKit"
    ):
        check_classic(parse_dockerfile(f"FROM a\n{command}\n"))


def test_a_target_ends_the_stages() -> None:
    found = parse_dockerfile("FROM a AS One\nRUN x\nFROM b AS two\nFROM c\n")
    assert len(found.up_to("").stages) == 3
    assert [stage.name for stage in found.up_to("TWO").stages] == ["one", "two"]
    assert found.up_to("one").instruction_of_step(3) is None
    with pytest.raises(BadValue, match="no stage tow") as failure:
        found.up_to("tow")
    assert failure.value.hint == "Did you mean two?"


VALUES = {"A": "x", "E": "", "B": "y z"}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("$A/${A}b", "x/xb"),
        ("${E:-d}${U:-$A}${A:-d}", "dxx"),
        ("${A:+p}${E:+p}${U:+p}", "p"),
        ("\\$A'$A'\"$A\"", "$A$Ax"),
        ("a\\ b\\", "a b"),
        ('"a\\"b\\$c\\d\\\\"', 'a"b$c\\d\\'),
        ("$U|$|$$|$1a|$A1", "|$||a|"),
        ("${A:-${B}}${U:-${U:-deep}}", "xdeep"),
        ("$B", "y z"),
    ],
)
def test_variables_are_replaced_as_docker_does(word: str, value: str) -> None:
    assert expand(word, VALUES) == value


def test_the_other_escape_leaves_backslashes_alone() -> None:
    assert expand("c:\\a\\$A`$A", VALUES, "`") == "c:\\a\\x$A"


@pytest.mark.parametrize("word", ["${A", "${", "${}", "${:a}", "'a", '"a', "${A:=b}", "${A-b"])
def test_a_word_that_does_not_end_is_bad(word: str) -> None:
    with pytest.raises(BadWord):
        expand(word, VALUES)


def test_words_are_parted_outside_of_quotes() -> None:
    assert split_words('a \'b c\'\t"d \\" e"f g\\ h') == ["a", "'b c'", '"d \\" e"f', "g\\ h"]


# What a real engine says.

VALID = (
    *("RUN", "CMD", "ENTRYPOINT", "ENV a b c", "USER a b", "ARG a b=c", 'SHELL ["sh"]', "HEALTHCHECK NONE"),
    *("HEALTHCHECK --interval=5s CMD true", "MAINTAINER a b", "WORKDIR a b", "RUN --mount=type=cache x"),
    *("run true", 'COPY ["a","b"]', "COPY [a, b]", "FROM a AS x.y_z", "FROM --platform=linux/amd64 a"),
    *("COPY -- a b", "RUN -- a", "LABEL a=b c=d", "EXPOSE 80 90/tcp", 'ENV a="b c', "ENV a=b\\ c"),
    *(
        "ENV a=b \\ \n  # com\n\n c=d",
        "RUN echo a\\\\\nENV a=b",
        "RUN echo \\\n  # x\n ls",
        'RUN ["a", "b"] x',
    ),
    *("  # foo\n  ENV a=b", "ENV a b\\\n\n", "RUN echo \\", "WORKDIR ${a", "COPY --chown= a b", "CMD []"),
    *(
        'RUN ["a"] b',
        "\\\nENV a=b",
        "ENV a=b \\\n\\\nc=d",
        "HEALTHCHECK none",
        "LABEL a=",
        "COPY --from=Base a b",
        "\tLABEL\ta=b",
        "ONBUILD COPY . .",
    ),
)
INVALID = (
    *("ENV", "ENV a", "ENV a=b c", "ENV =b", "ENV a= b", "LABEL a", "EXPOSE", "USER", "VOLUME", "VOLUME []"),
    *('VOLUME [""]', "STOPSIGNAL", "ARG", "ARG =c", "SHELL sh", "SHELL []", "HEALTHCHECK", "HEALTHCHECK FOO"),
    *(
        "HEALTHCHECK NONE x",
        "HEALTHCHECK CMD",
        "HEALTHCHECK CMD []",
        "ONBUILD",
        "ONBUILD FROM x",
        "MAINTAINER",
    ),
    *("ONBUILD ONBUILD RUN x", "ONBUILD MAINTAINER x", "WORKDIR", "COPY a", "COPY --foo=1 a b", "FOO a"),
    *("COPY --from a b", "COPY --from=x --from=y a b", "RUN --foo x", "CMD --foo x", "ADD --from=x a b"),
    *('COPY ["a"]', 'COPY ["a",1] x', 'COPY ["a",1]', "FROM", "FROM a b", "FROM a AS", "FROM a AS B c"),
    *(
        "\\\n",
        "RUN \\\\\\\nENV a",
        "FROM a as 1x",
        "FROM --foo=1 a",
        "COPY --chown a b c",
        "RUN echo a\\\\\nfoo",
        "ENV a=b \\\n\\\nENV c",
    ),
)
WHOLE = (
    *("", "# only\n", "ENV a=b\nFROM stand-in AS x\nLABEL a=b", "\ufeffFROM stand-in AS x\nLABEL a=b\n"),
    *(f"{first}\nFROM stand-in AS x\nLABEL a=b `\n  c=d\n" for first in ("# escape=`", "#  ESCAPE =  ` ")),
    *(
        f"{first}\nFROM stand-in AS x\nLABEL a=b `\n  c=d\n"
        for first in ("# foo\n# escape=`", "\n# escape=`")
    ),
    *(f"{first}\nFROM stand-in AS x\nLABEL a=b\n" for first in ("# escape=`\n# escape=`", "# escape=x")),
    "# foo=bar\n# escape=`\nFROM stand-in AS x\nLABEL a=b `\n  c=d\n",
    "FROM stand-in AS x\r\nLABEL a=b \\\r\n c=d\r\n",
)


@pytest.fixture(scope="module")
def engine(kitchen: StandIn) -> Iterator[Engine]:
    with connected(kitchen, "tcp") as found:
        yield found


def told(engine: Engine, text: str, target: str = "", **args: str) -> str:
    """What the engine says while it builds. Raises BuildFailed."""
    context = tar_of({"Dockerfile": text.encode("utf-8"), "a": b"a"})
    options = BuildOptions(network="host", target=target, args=args)
    with build(engine, iter([context]), options) as going:
        return "".join(message.text for message in going)


def verdicts(engine: Engine, text: str) -> tuple[bool, bool]:
    """Whether we, and whether the engine takes it; the engine builds no more than the stage x."""
    try:
        parse_dockerfile(text)
        ours = True
    except BadValue:
        ours = False
    try:
        told(engine, text, "x")
        return ours, True
    except BuildFailed:
        return ours, False


@pytest.mark.root
def test_what_is_a_dockerfile_is_what_the_engine_takes(engine: Engine) -> None:
    head = "FROM stand-in AS x\nLABEL a=b\nFROM stand-in\n"
    assert [text for text in VALID if verdicts(engine, head + text) != (True, True)] == []
    assert [text for text in INVALID if verdicts(engine, head + text) != (False, False)] == []
    assert [text for text in WHOLE if len(set(verdicts(engine, text))) == 2] == []


@pytest.mark.root
def test_random_texts_are_taken_and_refused_as_the_engine_does(engine: Engine) -> None:
    chance = random.Random(20)
    pieces = (
        *(
            "ENV",
            "COPY",
            "LABEL",
            "RUN",
            "ARG",
            "FROM",
            "CMD",
            "a",
            "a=b",
            '"',
            "'",
            "\\",
            " ",
            " ",
            "\n",
            "\n#",
        ),
        *("\\\n", "\\ \n", "\t", "[", "]", ",", '"a"', "--from=x", "--chown=", "$a", "${a:-b}", "AS", "b"),
    )
    wrong = []
    for _ in range(150):
        text = "".join(chance.choice(pieces) + chance.choice((" ", "")) for _ in range(chance.randint(2, 9)))
        whole = (
            f"FROM stand-in AS x\nLABEL a=b\nFROM stand-in\n{chance.choice(('COPY ', 'ENV ', ''))}{text}\n"
        )
        if len(set(verdicts(engine, whole))) == 2:
            wrong.append(whole)
    assert wrong == []


@pytest.mark.root
def test_the_step_of_a_failure_leads_to_its_line(engine: Engine) -> None:
    text = (
        "ARG BASE=stand-in\nARG OTHER\n\nFROM $BASE AS one\n# comment\nENV a=b \\\n  c=d\n"
        "FROM one\nLABEL x=y\n\nRUN echo begun; \\\n  exit 3\nCMD true\n"
    )
    with pytest.raises(BuildFailed) as failure:
        told(engine, text)
    step = failure.value.facts["step"]
    assert step == 7
    found = parse_dockerfile(text).instruction_of_step(step)
    assert found is not None
    assert (found.keyword, found.line, found.end_line) == ("RUN", 11, 12)
    assert len(list(parse_dockerfile(text).steps())) == 8


@pytest.mark.root
def test_every_step_is_the_one_that_the_engine_tells_of(engine: Engine) -> None:
    text = (
        "ARG A=1 B=2\nFROM stand-in AS x\nARG A\nONBUILD ENV c=d\nENV a=$A\n"
        "FROM x AS y\nLABEL a=b\nFROM scratch\n"
    )
    found = parse_dockerfile(text).up_to("y")
    said = [line for line in told(engine, text, "y").splitlines() if line.startswith("Step ")]
    assert said == [
        f"Step {number}/{len(said)} : {step.text}" for number, step in enumerate(found.steps(), 1)
    ]


@pytest.mark.root
def test_variables_are_replaced_as_the_engine_does(engine: Engine) -> None:
    words = (
        *(
            "$A/${A}b",
            "${E:-d}${U:-$A}${A:-d}",
            "${A:+p}${E:+p}${U:+p}",
            "\\$A'$A'\"$A\"",
            "a\\ b",
            "$U|$1a|$A1",
        ),
        *(
            '"a\\"b\\$c\\d\\\\"',
            "${U:-${U:-deep}}",
            "x$$y",
            "a$",
            "$-",
            "\\\\$A",
            "'a'\"b\"c",
            "${A:?no}",
            "\u00fc$A",
        ),
    )
    env = "".join(f"ENV w{number}={word}\n" for number, word in enumerate(words))
    text = f'FROM stand-in\nENV A=x E=\n{env}RUN ["env"]\n'
    shown = dict(line.split("=", 1) for line in told(engine, text).splitlines() if line.startswith("w"))
    assert shown == {f"w{number}": expand(word, {"A": "x", "E": ""}) for number, word in enumerate(words)}
