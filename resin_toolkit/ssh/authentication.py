"""Being let in: by nothing, a key of the agent, a key file, or a password typed now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from paramiko.ssh_exception import SSHException

from resin_toolkit.errors import LoginRefused
from resin_toolkit.ssh.config import HostConfig
from resin_toolkit.ssh.keys import Candidate, candidates
from resin_toolkit.ssh.userauth import Answer, Questions, UserAuthentication
from resin_toolkit.terminal.screen import clean

if TYPE_CHECKING:
    from resin_toolkit.ssh.transport import Transport

Ask = Callable[[str], str]

_TRIES = 3


def log_in(transport: Transport, host: str, user: str, config: HostConfig, ask: Ask | None) -> None:
    """Log in as `user`; `ask` asks a person for what is secret, None if there is nobody.

    Raises LoginRefused, and what ends the connection: EOFError, OSError, SSHException.
    """
    session = UserAuthentication(transport, user)
    transport.auth_handler = session
    answer = session.none()
    shown = 0
    if not answer.done and "publickey" in answer.methods:
        answer, shown = _by_key(transport, session, answer, config, ask)
    if not answer.done and ask is not None:
        answer = _by_password(session, answer, f"{user}@{host}", ask)
    if not answer.done:
        raise _refused(host, user, answer, shown, somebody=ask is not None)
    transport.watch()


def _by_key(
    transport: Transport, session: UserAuthentication, answer: Answer, config: HostConfig, ask: Ask | None
) -> tuple[Answer, int]:
    """The last answer, and how many keys were shown."""
    shown = 0
    with candidates(config, ask) as keys:
        for key in keys:
            algorithm = _algorithm(transport, key)
            if key.blob is None or algorithm is None:
                continue
            shown += 1
            try:
                if not session.welcomes(key.blob, algorithm):
                    continue
            except (EOFError, ConnectionError) as error:
                # Servers hang up after a number of keys that they do not know (MaxAuthTries).
                raise _too_many(shown) from error
            try:
                answer = session.publickey(key, algorithm)
            except SSHException:
                transport.require_alive()
                continue  # It could not be unlocked, or the agent does not sign.
            if answer.done or "publickey" not in answer.methods:
                break
    return answer, shown


def _algorithm(transport: Transport, key: Candidate) -> str | None:
    """What is signed by (RFC 8332): a server that knows more than SHA-1 for RSA says so."""
    if key.type != "ssh-rsa":
        return key.type or None
    told: bytes | str = transport.server_extensions.get("server-sig-algs", b"")
    known = (told.decode() if isinstance(told, bytes) else told).split(",")
    return next((name for name in ("rsa-sha2-512", "rsa-sha2-256") if name in known), "ssh-rsa")


def _by_password(session: UserAuthentication, answer: Answer, who: str, ask: Ask) -> Answer:
    for _ in range(_TRIES):
        if answer.done:
            break
        if "keyboard-interactive" in answer.methods:
            answer = session.interactive(lambda questions: _replies(questions, who, ask))
        elif "password" in answer.methods:
            answer = session.password(ask(f"Password of {who}"))
        else:
            break
    return answer


def _replies(questions: Questions, who: str, ask: Ask) -> list[str]:
    """What the device asks is shown as it says it, cleaned, after who it is that asks."""
    return [ask(f"{who}: {clean(prompt).strip().rstrip(':') or 'answer'}") for prompt in questions.prompts]


def _refused(host: str, user: str, answer: Answer, shown: int, *, somebody: bool) -> LoginRefused:
    methods = clean(", ".join(method for method in answer.methods if method)) or "nothing"
    keys = {0: "no key of yours was found", 1: "the one key of yours is not known there"}.get(
        shown, f"none of your {shown} keys is known there"
    )
    by_word = {"password", "keyboard-interactive"} & set(answer.methods)
    hint = "Put your public key on it: `resin configure --ssh-key FILE` before it is flashed."
    if by_word:
        typed = "What was typed is not its password."
        hint = typed if somebody else "Run it on a terminal to type its password."
    if answer.partial:
        hint = "It wants more than one proof, not all of which could be given."
    return LoginRefused(f"{host} does not let {user} in: it takes {methods}; {keys}.", hint=hint)


def _too_many(shown: int) -> LoginRefused:
    return LoginRefused(
        f"The device hung up after it was shown {shown} keys that it does not know.",
        hint="Name the right one in ~/.ssh/config: IdentityFile, with IdentitiesOnly yes.",
    )
