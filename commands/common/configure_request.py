"""Resolve configure options and answers to requests, prompting for what is missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
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


class PromptedInputs(Inputs):
    """Files and secrets of answers; prompts for missing ones on a terminal."""

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


def build_requests(
    options: ConfigureOptions, answers: Answers, report: Report, cards: Sequence[Card] = (Card(),)
) -> list[Request]:
    """Return a request for each card; they differ in host name and address.

    `answers` are those of `resolve_answers`. Prompts for missing values, once for all cards. Raises Usage,
    BadValue or OSError.
    """
    from image_tools.answers import to_request

    inputs = PromptedInputs(report)
    requests = to_request.build_requests(answers, inputs, cards, options.set_ or ())
    report.warn(*inputs.notices)
    return requests


def resolve_answers(options: ConfigureOptions) -> Answers:
    """Merge the options with the answers file of `--from`; options take precedence.

    Reads the file, which may be a pipe: call it once per run and pass the result on.
    """
    from commands.common.option_answers import answers_from_options

    answers = answers_from_options(options)
    if options.from_ is None:
        return answers
    from image_tools.answers.merge import merge_answers
    from image_tools.answers.reader import read_answers_file

    return merge_answers(read_answers_file(options.from_), answers)


def prompt_for_settings(report: Report, config: dict[str, object]) -> ConfigureOptions:
    """Prompt for the most common settings if no option is given; an empty answer keeps a setting."""
    current = config.get("hostname")
    current_text = f" [{current}]" if isinstance(current, str) else ""
    hostname = report.ask(f"Host name{current_text}, empty to keep it", check=_check_hostname)
    ssid = _ask_ssid(report, "Wi-Fi network to join, empty for none", optional=True)
    logging = report.ask(
        "Keep logs across reboots? yes, no, empty to keep the setting", check=_check_yes_or_no
    )
    return ConfigureOptions(
        hostname=hostname or None,
        ssid=ssid or None,
        persistent_logging=logging.lower() in ("y", "yes") if logging else None,
    )


def _ask_ssid(report: Report, question: str, *, optional: bool = False) -> str:
    """Prompt for an SSID; networks that this computer knows can be chosen by number."""
    from image_tools.profiles import check_ssid
    from resin_toolkit.wifi_networks import list_wifi_networks

    networks = list_wifi_networks()
    for number, network in enumerate(networks, start=1):
        signal = "out of range" if network.signal is None else f"{network.signal}%"
        report.say(f"  {number}  {network.ssid} ({signal})")

    def resolve_choice(text: str) -> str:
        is_number = text.isdecimal() and 1 <= int(text) <= len(networks)
        return networks[int(text) - 1].ssid if is_number else text

    def check(text: str) -> None:
        if text or not optional:
            check_ssid(os.fsencode(resolve_choice(text)))

    return resolve_choice(report.ask(f"{question}{', or its number' if networks else ''}", check=check))


def _check_hostname(text: str) -> None:
    if text:
        from image_tools.config import set_value

        set_value({}, "hostname", text)


def _check_yes_or_no(text: str) -> None:
    if text.lower() not in ("", "y", "yes", "n", "no"):
        raise BadValue("Answer yes or no.")
