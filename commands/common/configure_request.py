"""Resolve configure options and answers to requests, prompting for what is missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.common.configure_options import ConfigureOptions
from commands.common.secrets import STDIN, read_stdin_secret
from image_tools.answers.hosts import Card
from image_tools.answers.inputs import Check, Inputs
from resin_toolkit.errors import BadValue, Usage
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from image_tools.answers import Answers, SecretReference
    from image_tools.configuration import Request

_PIPE_FOLDERS = ("/dev", "/dev/fd", "/proc/self/fd")


class PromptedInputs(Inputs):
    """The files and secrets of answers; on a terminal, the user is asked for what is missing."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report

    def read_secret(self, reference: SecretReference, question: str, check: Check | None) -> str:
        if reference.file != STDIN:
            return reference.read()
        return self._report.ask_secret(question, check=check) if self._interactive else read_stdin_secret()

    def missing_secret(self, question: str, error: Usage, check: Check | None = None) -> str:
        if not self._interactive:
            raise error
        return self._report.ask_secret(question, check=check)

    def missing_ssid(self, error: Usage) -> bytes:
        if not self._interactive:
            raise error
        return os.fsencode(_ask_ssid(self._report, "Wi-Fi network (SSID)"))

    def missing_text(self, question: str, error: Usage) -> str:
        if not self._interactive:
            raise error
        return self._report.ask(question)

    @property
    def _interactive(self) -> bool:
        return self._report.interactive


def build_request(options: ConfigureOptions, answers: Answers, report: Report) -> Request:
    """Return the request for one image; `answers` are those of `resolve_answers`.

    Prompts for missing values. Raises Usage, BadValue or OSError.
    """
    return build_requests(options, answers, report, [Card()])[0]


def build_requests(
    options: ConfigureOptions, answers: Answers, report: Report, cards: Sequence[Card]
) -> list[Request]:
    """Return a request for each card; they differ in host name and address. Prompts once for all cards."""
    from image_tools.answers import to_request

    inputs = PromptedInputs(report)
    requests = to_request.build_requests(answers, inputs, cards, options.set_ or ())
    report.warn(*inputs.notices)
    return requests


def resolve_answers(options: ConfigureOptions) -> Answers:
    """Merge the options with the answers file of `--from`; options take precedence.

    Reads the file, which may be a pipe: call it once per run and pass the result on.
    """
    from commands.common.typed_answers import answers_of

    typed = answers_of(options)
    if options.from_ is None:
        return typed
    from image_tools.answers.merge import merged
    from image_tools.answers.reader import read_answers

    file = options.from_
    folder = file.absolute().parent
    if str(folder) in _PIPE_FOLDERS:  # relative paths in a pipe's answers are those of the working directory
        folder = Path.cwd()
    return merged(read_answers(file.read_bytes(), str(file), folder), typed)


def ask_for_everything(report: Report, config: dict[str, object]) -> ConfigureOptions:
    """Ask for the most common settings when no option is given; an empty reply keeps the current value."""
    current = config.get("hostname")
    shown = f" [{current}]" if isinstance(current, str) else ""
    hostname = report.ask(f"Host name{shown}, empty to leave it", check=_check_hostname)
    ssid = _ask_ssid(report, "Wi-Fi network to join, empty for none", optional=True)
    logging = report.ask("Keep logs on the device's disk? yes, no, empty to leave it", check=_check_answer)
    return ConfigureOptions(
        hostname=hostname or None,
        ssid=ssid or None,
        persistent_logging=_is_yes(logging) if logging else None,
    )


def _ask_ssid(report: Report, question: str, *, optional: bool = False) -> str:
    """Ask for an SSID; the networks that this computer knows can be picked by number."""
    from image_tools.profiles import check_ssid
    from resin_toolkit.wifi_networks import list_wifi_networks

    networks = list_wifi_networks()
    for number, network in enumerate(networks, start=1):
        about = "not in reach" if network.signal is None else f"{network.signal}%"
        report.say(f"  {number}  {network.ssid} ({about})")

    def picked(text: str) -> str:
        is_number = text.isdecimal() and 1 <= int(text) <= len(networks)
        return networks[int(text) - 1].ssid if is_number else text

    def check(text: str) -> None:
        if text or not optional:
            check_ssid(os.fsencode(picked(text)))

    return picked(report.ask(f"{question}{', or its number' if networks else ''}", check=check))


def _check_hostname(text: str) -> None:
    if text:
        from image_tools.config import set_value

        set_value({}, "hostname", text)


def _check_answer(text: str) -> None:
    if text.lower() not in ("", "y", "yes", "n", "no"):
        raise BadValue("Answer yes or no.")


def _is_yes(text: str) -> bool:
    return text.lower() in ("y", "yes")
