"""The entry point: the table of verbs, start-up, and the end of every run."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from resin_toolkit import __version__
from resin_toolkit.errors import Exit, InternalError, Interrupted, ResinError, Usage, from_os_error

if TYPE_CHECKING:
    import click

    from resin_toolkit.report import Report


@dataclass(frozen=True)
class VerbEntry:
    """A verb that exists. `commands/<name>.py` holds its `app`; it is opened only when its word is typed."""

    name: str
    help: str
    group: str
    streams: bool = False


VERBS = (
    VerbEntry("configure", "Write config.json and network profiles into an image's boot partition.", "Image"),
    VerbEntry("image", "Look into an image: its partitions, and the files of its boot partition.", "Image"),
    VerbEntry("drives", "List the drives that may be flashed.", "Image"),
    VerbEntry("flash", "Write an image to a drive or file, and verify it.", "Image", streams=True),
    VerbEntry("demo", "Try the image half on a sample image: no board, no root, no network.", "Image"),
)

USAGE_HINT = "Run `{command} --help` for what it takes."


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run `resin` with `arguments` (the process's own by default) and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run `resin` and return its exit code; never raises."""
    if arguments in (["--version"], ["-V"]):
        return _print_version()
    pin_packages()
    from resin_toolkit.report import Report, Settings

    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    asked = Settings(json="--json" in words, debug="--debug" in words or _debug_wanted())
    report = Report(asked)
    try:
        code = _run(arguments, report)
    except KeyboardInterrupt:
        report.failure(_verb_of(arguments), Interrupted("Interrupted."))
        return Exit.INTERRUPTED
    except ResinError as error:
        return _fail(report, arguments, error)
    except BrokenPipeError:
        return _closed_pipe()
    except OSError as error:
        if error.errno == errno.EPIPE:
            return _closed_pipe()
        return _fail(report, arguments, from_os_error(error), error)
    except Exception as error:  # noqa: BLE001 - a defect of ours still ends with one sentence
        name = type(error).__name__
        failure = InternalError(
            f"resin met a defect of its own ({name}).",
            hint="Run it again with --debug and report what it prints.",
        )
        return _fail(report, arguments, failure, error)
    return code


def pin_packages() -> None:
    """Make `commands` and `image_tools` the packages that lie beside `resin_toolkit`, whatever sys.path says.

    `commands` is a common name: with PYTHONPATH=. a project's own folder of that name would be run instead.
    """
    home = str(Path(__file__).resolve().parent.parent)
    for name in ("commands", "image_tools"):
        loaded = sys.modules.get(name)
        if loaded is not None and str(loaded.__file__).startswith(home + os.sep):
            continue
        spec = PathFinder.find_spec(name, [home])
        if spec is None or spec.loader is None:
            raise ImportError(f"the package {name} is missing beside {home}")
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


def _run(arguments: list[str], report: Report) -> int:
    from resin_toolkit.root import click_errors, root_command

    report.streams = any(entry.streams for entry in VERBS if entry.name == _verb_of(arguments))
    usage_error, exit_request, abort = click_errors()
    try:
        result = root_command().main(arguments, prog_name="resin", standalone_mode=False, obj=report)
    except usage_error as error:
        raise _usage(error) from error
    except exit_request as request:
        return int(request.exit_code)
    except abort:
        raise KeyboardInterrupt from None
    if isinstance(result, int):
        return result
    report.result(_verb_of(arguments) or "", result)
    return Exit.DONE


def _usage(error: click.ClickException) -> ResinError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "resin"
    message = error.format_message().strip() or "Something is missing."
    return Usage(message, hint=USAGE_HINT.format(command=command))


def _fail(report: Report, arguments: list[str], error: ResinError, cause: BaseException | None = None) -> int:
    report.failure(_verb_of(arguments), error)
    if report.settings.debug:
        import traceback

        traceback.print_exception(cause or error)
    return error.exit


def _verb_of(arguments: list[str]) -> str | None:
    """The words of the verb as typed: `flash`, `image ls`."""
    words = [word for word in arguments if not word.startswith("-")]
    names = {entry.name for entry in VERBS}
    if not words or words[0] not in names:
        return None
    return " ".join(words[:2]) if words[0] == "image" and len(words) > 1 else words[0]


def _debug_wanted() -> bool:
    return os.environ.get("RESIN_DEBUG", "") not in ("", "0")


def _print_version() -> int:
    try:
        print(f"resin {__version__}", flush=True)
    except BrokenPipeError:
        return _closed_pipe()
    return Exit.DONE


def _closed_pipe() -> int:
    """The reader went away, which is its right: stop quietly, and keep the interpreter's exit quiet too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.DONE
