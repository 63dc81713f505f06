"""Logging in: without credentials, with a key of the agent, a key file, or a typed password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paramiko.ssh_exception import SSHException

from resin_toolkit.errors import LoginRefused
from resin_toolkit.ssh.config import HostConfig
from resin_toolkit.ssh.keys import CandidateKey, candidate_keys
from resin_toolkit.ssh.userauth import LOGIN_TIMEOUT, AuthResult, Prompts, UserAuthentication
from resin_toolkit.terminal.screen import clean

if TYPE_CHECKING:
    from resin_toolkit.ssh.connection import Ask
    from resin_toolkit.ssh.transport import Transport

_ATTEMPTS = 3


def log_in(transport: Transport, host: str, user: str, config: HostConfig, ask: Ask | None) -> None:
    """Log in as `user`. `ask` prompts a person for a secret; None if nobody is there.

    Raises LoginRefused, or what ended the connection: EOFError, OSError, SSHException.
    """
    session = UserAuthentication(transport, user, LOGIN_TIMEOUT)
    transport.auth_handler = session
    answer = session.request_none()
    offered = 0
    if not answer.done and "publickey" in answer.methods:
        answer, offered = _by_key(transport, session, answer, config, ask)
    if not answer.done and ask is not None:
        answer = _by_password(session, answer, f"{user}@{host}", ask)
    if not answer.done:
        raise _refused(host, user, answer, offered, interactive=ask is not None)
    transport.watch()


def _by_key(
    transport: Transport, session: UserAuthentication, answer: AuthResult, config: HostConfig, ask: Ask | None
) -> tuple[AuthResult, int]:
    """Return the last answer, and the number of keys that were offered."""
    offered = 0
    with candidate_keys(config, ask) as keys:
        for key in keys:
            algorithm = _algorithm(transport, key)
            if key.blob is None or algorithm is None:
                continue
            offered += 1
            try:
                if not session.accepts_key(key.blob, algorithm):
                    continue
            except (EOFError, ConnectionError) as error:
                # Servers disconnect after a number of unknown keys (MaxAuthTries).
                raise _too_many(offered) from error
            try:
                answer = session.request_publickey(key, algorithm)
            except SSHException:
                transport.require_alive()
                continue  # It was not unlocked, or the agent does not sign.
            if answer.done or "publickey" not in answer.methods:
                break
    return answer, offered


def _algorithm(transport: Transport, key: CandidateKey) -> str | None:
    """The signature algorithm (RFC 8332): a server that supports more than SHA-1 for RSA announces it."""
    if key.type != "ssh-rsa":
        return key.type or None
    announced: bytes | str = transport.server_extensions.get("server-sig-algs", b"")
    known = (announced.decode("ascii", "replace") if isinstance(announced, bytes) else announced).split(",")
    return next((name for name in ("rsa-sha2-512", "rsa-sha2-256") if name in known), "ssh-rsa")


def _by_password(session: UserAuthentication, answer: AuthResult, who: str, ask: Ask) -> AuthResult:
    for _ in range(_ATTEMPTS):
        if answer.done:
            break
        if "keyboard-interactive" in answer.methods:
            answer = session.request_interactive(lambda prompts: _replies(prompts, who, ask))
        elif "password" in answer.methods:
            answer = session.request_password(ask(f"Password for {who}"))
        else:
            break
    return answer


def _replies(prompts: Prompts, who: str, ask: Ask) -> list[str]:
    """Prompt with the server's own texts, without control characters, preceded by `who`."""
    return [ask(f"{who}: {clean(prompt).strip().rstrip(':') or 'answer'}") for prompt in prompts.prompts]


def _refused(host: str, user: str, answer: AuthResult, offered: int, *, interactive: bool) -> LoginRefused:
    methods = clean(", ".join(method for method in answer.methods if method)) or "none"
    keys = {0: "you have no key to offer", 1: "it does not accept your key"}.get(
        offered, f"it accepts none of your {offered} keys"
    )
    hint = "Install your public key with `resin configure --ssh-key FILE` before flashing."
    if {"password", "keyboard-interactive"} & set(answer.methods):
        hint = "The password is wrong." if interactive else "Run this on a terminal to type the password."
    if answer.partial:
        hint = "It requires several authentication methods, and one of them failed."
    return LoginRefused(f"{host} refuses the login of {user} (methods: {methods}): {keys}.", hint=hint)


def _too_many(offered: int) -> LoginRefused:
    return LoginRefused(
        f"The device disconnected after {offered} keys that it does not accept.",
        hint="Name the right key in ~/.ssh/config: IdentityFile, with IdentitiesOnly yes.",
    )
