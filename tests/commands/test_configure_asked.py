"""Who is asked by `resin configure`, when, and what an answer, none or Ctrl-C comes to."""

from __future__ import annotations

import pytest
from support.boot_images import Boot
from support.configured_images import SECRET, config_of, configured_boot, connections, keyfile  # noqa: F401 - fixtures
from support.resin_command import Terminal, program


def test_nobody_is_asked_without_a_terminal(boot: Boot) -> None:
    for words in ([], ["--wifi"], ["--ssid", "home"]):
        run = program("configure", boot.path, *words, stdin=b"home\nsecretsecret\n")
        assert run.code == 2
        assert ": \n" not in run.err


def test_nobody_is_asked_with_no_input(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path, "--wifi", "--no-input")
    assert terminal.end() == 2
    assert "--ssid" in terminal.plain


def test_what_is_missing_is_asked_for_and_the_passphrase_is_not_echoed(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path, "--wifi")
    terminal.until("(SSID)")
    terminal.type("home\n")
    terminal.until("Passphrase")
    terminal.type("short\n")
    terminal.until("too short")
    terminal.until("Passphrase")
    assert SECRET not in terminal.command_line()
    terminal.type(f"{SECRET}\n")
    terminal.until("+ system-connections/home")
    terminal.until("[y/N]")
    terminal.type("y\n")
    assert terminal.end() == 0, terminal.screen
    assert SECRET not in terminal.screen
    assert "short\r\n" not in terminal.screen.partition("Passphrase")[2].partition("too short")[0]
    assert "wifi-security" in keyfile(boot, "home")


def test_a_passphrase_from_stdin_that_is_a_terminal_is_not_echoed(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path, "--ssid", "home", "--passphrase-file", "-")
    terminal.until("Passphrase")
    terminal.type(f"{SECRET}\n")
    terminal.until("[y/N]")
    terminal.type("y\n")
    assert terminal.end() == 0, terminal.screen
    assert SECRET not in terminal.screen
    assert "wifi-security" in keyfile(boot, "home")


def test_without_options_everything_is_asked_for(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path)
    for question, answer in (
        ("Host name [old]", "not a name"),
        ("Host name [old]", "kitchen"),
        ("Wi-Fi network", "home"),
        ("Keep logs", "yes"),
        ("Passphrase", SECRET),
        ("[y/N]", "y"),
    ):
        terminal.until(question)
        terminal.type(f"{answer}\n")
    assert terminal.end() == 0, terminal.screen
    assert config_of(boot)["hostname"] == "kitchen"
    assert config_of(boot)["persistentLogging"] is True
    assert connections(boot) == ["home"]
    assert SECRET not in terminal.screen


def test_a_no_at_the_end_changes_nothing(boot: Boot) -> None:
    before = boot.digest()
    terminal = Terminal("configure", boot.path)
    for question, answer in (("Host name", "kitchen"), ("Wi-Fi", ""), ("Keep logs", ""), ("[y/N]", "")):
        terminal.until(question)
        terminal.type(f"{answer}\n")
    assert terminal.end() == 4
    assert boot.digest() == before


@pytest.mark.parametrize("question", ["(SSID)", "Passphrase"])
def test_ctrl_c_during_a_question_changes_nothing(boot: Boot, question: str) -> None:
    before = boot.digest()
    ssid = [] if question == "(SSID)" else ["--ssid", "home"]
    terminal = Terminal("configure", boot.path, "--wifi", *ssid)
    terminal.until(question)
    terminal.interrupt()
    assert terminal.end() == 130
    assert "error: Interrupted; nothing was changed.\n" in terminal.plain
    assert "Traceback" not in terminal.plain
    assert boot.digest() == before


def test_the_end_of_the_input_is_no_answer(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path, "--wifi")
    terminal.until("(SSID)")
    terminal.type("\x04")
    assert terminal.end() == 4
    assert "error: " in terminal.plain
