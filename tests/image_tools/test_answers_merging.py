"""Answers laid over others: which of two wins, and which networks are the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from hypothesis import given, settings
from support.answers_cases import EVERYTHING, EXPECTED, all_answers, read
from support.examples import examples

from image_tools.answers import Answers, EthernetAnswers, ProxyAnswers, SecretReference, WifiAnswers
from image_tools.answers.merge import merge_answers


def test_the_command_line_wins() -> None:
    under = read(EVERYTHING)
    over = Answers(
        hostname="bath",
        persistent_logging=False,
        ssh_keys=(Path("/x.pub"), Path("/etc/key.pub")),
        unset=("uuid", "a"),
        config={"os": {"fan": {"profile": "cool"}}, "a.b": 1},
        wifi=(WifiAnswers(ssid=b"new"), WifiAnswers(ssid=b"\xff\0", priority=3)),
        ethernet=EthernetAnswers(static=("10.42.0.9/24",)),
        proxy=ProxyAnswers(url="socks5://10.0.0.1"),
    )
    result = merge_answers(under, over)

    assert result == dataclasses.replace(
        EXPECTED,
        hostname="bath",
        persistent_logging=False,
        ssh_keys=(*EXPECTED.ssh_keys, Path("/x.pub")),
        unset=("uuid", "a"),
        config={"os": {"power": {"mode": "low"}, "fan": {"profile": "cool"}}, "a.b": 1},
        wifi=(
            EXPECTED.wifi[0],
            dataclasses.replace(EXPECTED.wifi[1], priority=3),
            WifiAnswers(ssid=b"new"),
        ),
        ethernet=EthernetAnswers(shared=True, static=("10.42.0.9/24",), never_default=True),
        proxy=ProxyAnswers(url="socks5://10.0.0.1", no_proxy=("10.0.0.0/8",)),
    )


def test_a_network_without_a_name_completes_the_only_one() -> None:
    secret = SecretReference(variable="X")
    nameless = Answers(wifi=(WifiAnswers(passphrase=secret),))
    one = Answers(wifi=(WifiAnswers(ssid=b"x", hidden=True),))
    two = Answers(wifi=(WifiAnswers(ssid=b"x"), WifiAnswers(ssid=b"y")))

    assert merge_answers(one, nameless).wifi == (WifiAnswers(ssid=b"x", hidden=True, passphrase=secret),)
    assert merge_answers(two, nameless).wifi == (*two.wifi, *nameless.wifi)


def test_networks_of_one_name_are_told_apart_by_their_ids() -> None:
    under = Answers(wifi=(WifiAnswers(ssid=b"x", id="a"), WifiAnswers(ssid=b"x", id="b")))
    over = Answers(
        wifi=(
            WifiAnswers(ssid=b"x", id="b", priority=1),
            WifiAnswers(ssid=b"x", priority=2),
            WifiAnswers(ssid=b"x", id="c"),
            WifiAnswers(ssid=b"x", priority=3),
        )
    )

    assert merge_answers(under, over).wifi == (
        WifiAnswers(ssid=b"x", id="a", priority=2),
        WifiAnswers(ssid=b"x", id="b", priority=1),
        WifiAnswers(ssid=b"x", id="c"),
        WifiAnswers(ssid=b"x", priority=3),
    )


@settings(max_examples=examples(60), deadline=None)
@given(answers=all_answers)
def test_nothing_laid_over_changes_nothing(answers: Answers) -> None:
    once = merge_answers(answers, Answers())

    assert once.hostname == answers.hostname
    assert once.wifi == answers.wifi
    assert merge_answers(Answers(), once) == once
    if len({network.ssid for network in once.wifi}) == len(once.wifi):
        assert merge_answers(once, once) == once
