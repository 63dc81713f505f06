"""The entry point: start-up, error handling and exit codes."""

from __future__ import annotations

import errno
import gc
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from resin_toolkit import __version__
from resin_toolkit.errors import Exit, InternalError, ResinError, Usage, from_os_error

if TYPE_CHECKING:
    import click

    from resin_toolkit.terminal.report import Report


COMPLETE_VARIABLE = "_RESIN_COMPLETE"
USAGE_HINT = "Run `{command} --help` for its options."


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run `resin` with `arguments` (the process's own by default) and exit."""
    if os.environ.get(COMPLETE_VARIABLE):
        _complete()
    # Hardly anything of a short run is garbage: collecting would take a tenth of the start-up time.
    gc.set_threshold(50_000)
    _treat_signals_as_interrupt()
    code = run(sys.argv[1:] if arguments is None else arguments)
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run `resin` and return its exit code; never raises."""
    _prepare_streams()
    if arguments in (["--version"], ["-V"]):
        return _print_version()
    try:
        pin_packages()
        from resin_toolkit.terminal.report import Report, Settings
        from resin_toolkit.terminal.screen import discard
    except KeyboardInterrupt:
        print("error: Interrupted.", file=sys.stderr)
        return Exit.INTERRUPTED
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    report = Report(Settings(json="--json" in words, debug="--debug" in words or _debug_wanted()))
    try:
        return _run(arguments, report)
    except KeyboardInterrupt as interrupt:
        return _fail(report, report.if_interrupted, interrupt)
    except ResinError as error:
        return _fail(report, error, error)
    except BrokenPipeError:
        # The reader closed the pipe, as `head` does: no error.
        discard(sys.stdout)
        return Exit.DONE
    except (OSError, MemoryError) as error:
        short = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        failure = from_os_error(short if isinstance(error, MemoryError) else error)
        return _fail(report, _with_notes(failure, error), error)
    except Exception as error:  # noqa: BLE001 - even a bug ends with one sentence
        defect = InternalError(
            f"resin failed because of a bug ({type(error).__name__}).",
            hint="Run the command again with --debug and report the traceback.",
        )
        return _fail(report, _with_notes(defect, error), error)


def _treat_signals_as_interrupt() -> None:
    """Handle SIGTERM and SIGHUP like Ctrl-C: clean up and print how things were left."""
    import signal

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _complete() -> NoReturn:
    """Answer a completion request and exit. Start-up time counts at each TAB: nothing is cleaned up."""
    gc.disable()
    from resin_toolkit.cli.completion import complete_without_loading, format_completions, parse_request

    request = parse_request(os.environ)
    if request is None:
        pin_packages()
        from resin_toolkit.cli.root import complete

        code = complete(os.environ[COMPLETE_VARIABLE])
    else:
        completions = complete_without_loading(request)
        if completions is None:
            pin_packages()
            from resin_toolkit.cli.root import complete_request

            completions = complete_request(request)
        print(format_completions(request, completions), end="")
        code = Exit.DONE
    sys.stdout.flush()
    os._exit(code)


def pin_packages() -> None:
    """Import `commands` and `image_tools` from beside `resin_toolkit`, whatever sys.path says.

    `commands` is a common name: with PYTHONPATH=. a project's own folder of that name would run instead.
    """
    home = str(Path(__file__).resolve().parents[2])
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
    from resin_toolkit.cli.root import click_errors, root_command

    root = root_command()
    usage_error, exit_request, abort = click_errors()
    try:
        with root.make_context("resin", list(arguments), obj=report) as context:
            result = root.invoke(context)
    except usage_error as error:
        raise _usage(error, report) from error
    except exit_request as request:
        return int(request.exit_code)
    except abort:
        raise KeyboardInterrupt from None
    if isinstance(result, int):
        return result
    report.result(report.command or "", result)
    return int(getattr(result, "exit", Exit.DONE))


def _usage(error: click.ClickException, report: Report) -> ResinError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else f"resin {report.command or ''}".rstrip()
    message = error.format_message().strip() or "Missing argument"
    if message[-1] not in ".?!":
        message += "."
    return Usage(message, hint=USAGE_HINT.format(command=command))


def _with_notes(failure: ResinError, cause: BaseException) -> ResinError:
    """Append the notes of the cause, which say how things were left, to the message of the failure."""
    notes = [note for note in getattr(cause, "__notes__", ()) if note]
    failure.message = " ".join([failure.message, *notes])
    return failure


def _fail(report: Report, error: ResinError, cause: BaseException) -> int:
    try:
        report.failure(report.command, error)
    except BrokenPipeError:
        from resin_toolkit.terminal.screen import discard

        discard(sys.stdout)
    except ResinError as unwritten:
        # stdout cannot be written to; report both errors on stderr.
        report.failure(report.command, error)
        report.failure(report.command, unwritten)
    if report.settings.debug:
        import traceback

        traceback.print_exception(cause)
    return error.exit


def _debug_wanted() -> bool:
    return os.environ.get("RESIN_DEBUG", "") not in ("", "0")


def _print_version() -> int:
    try:
        print(f"resin {__version__}", flush=True)
    except OSError as error:
        from resin_toolkit.terminal.screen import discard

        discard(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            print(f"error: stdout: {error.strerror}.", file=sys.stderr)
            return Exit.FAILED
    return Exit.DONE


def _prepare_streams() -> None:
    """Make sure that stdout and stderr exist and can print any file name."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - open until the process exits
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
