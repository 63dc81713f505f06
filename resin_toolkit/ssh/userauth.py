"""Requests to be let in (RFC 4252, 4256), in place of paramiko's AuthHandler.

That one signs for every key before it knows whether the device takes it: an agent's owner would have to
touch each, and a passphrase be typed for nothing.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paramiko.common import (
    MSG_SERVICE_ACCEPT,
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_SUCCESS,
    cMSG_SERVICE_REQUEST,
    cMSG_USERAUTH_REQUEST,
)
from paramiko.message import Message

if TYPE_CHECKING:
    from resin_toolkit.ssh.keys import Candidate
    from resin_toolkit.ssh.transport import Transport

_OF_METHOD = 60
"""What this number means depends on the method: a key that is welcome, or questions."""
_INFO_RESPONSE = b"\x3d"
_PATIENCE = 30.0
"""Seconds within which a device answers; one that hashes a password may be slow."""


@dataclass(frozen=True)
class Answer:
    """What the device said: in, or by which methods one may go on; `partial` if this one was right."""

    done: bool
    methods: tuple[str, ...] = ()
    partial: bool = False


@dataclass(frozen=True)
class Questions:
    """What the device asks; the texts are its own."""

    title: str
    instructions: str
    prompts: tuple[str, ...]


class UserAuthentication:
    """Asks to be let in as `user`. Made once the keys are agreed on; the Transport hands it the answers."""

    def __init__(self, transport: Transport, user: str) -> None:
        self._transport = transport
        self._user = user
        self._answers: queue.SimpleQueue[Message | Answer | None] = queue.SimpleQueue()
        self._welcome = False
        self.banner = ""
        self._handler_table = {
            MSG_SERVICE_ACCEPT: self._answers.put,
            MSG_USERAUTH_SUCCESS: self._succeeded,
            MSG_USERAUTH_FAILURE: self._failed,
            MSG_USERAUTH_BANNER: self._show,
            _OF_METHOD: self._answers.put,
        }

    # what is asked; each raises EOFError, OSError, SSHException where the connection ends

    def none(self) -> Answer:
        """Without anything, as development images allow it; else the methods that there are."""
        message = Message()
        message.add_byte(cMSG_SERVICE_REQUEST)
        message.add_string("ssh-userauth")
        self._transport._send_message(message)
        self._next()
        return self._answer(self._request("none"))

    def welcomes(self, blob: bytes, algorithm: str) -> bool:
        """Whether the device would take this key."""
        message = self._request("publickey")
        message.add_boolean(False)
        message.add_string(algorithm)
        message.add_string(blob)
        self._transport._send_message(message)
        return not isinstance(self._next(), Answer)

    def publickey(self, key: Candidate, algorithm: str) -> Answer:
        assert key.blob is not None
        message = self._request("publickey")
        message.add_boolean(True)
        message.add_string(algorithm)
        message.add_string(key.blob)
        signed = Message()
        signed.add_string(self._transport.session_id)
        signed.add_bytes(message.asbytes())
        message.add_string(key.sign(signed.asbytes(), algorithm))
        return self._answer(message)

    def password(self, password: str) -> Answer:
        message = self._request("password")
        message.add_boolean(False)
        message.add_string(password)
        self._transport._send_message(message)
        answer = self._next()
        # Anything but a plain answer is the wish for a new password, which is not the time for.
        return answer if isinstance(answer, Answer) else Answer(False)

    def interactive(self, reply: Callable[[Questions], Sequence[str]]) -> Answer:
        """Answer questions until the device has had enough."""
        message = self._request("keyboard-interactive")
        message.add_string("")
        message.add_string("")
        self._transport._send_message(message)
        while not isinstance(asked := self._next(), Answer):
            replies = reply(_questions(asked))
            message = Message()
            message.add_byte(_INFO_RESPONSE)
            message.add_int(len(replies))
            for text in replies:
                message.add_string(text)
            self._transport._send_message(message)
        return asked

    # what paramiko's Transport asks

    def is_authenticated(self) -> bool:
        return self._welcome

    def get_username(self) -> str:
        return self._user

    def abort(self) -> None:
        self._answers.put(None)

    # below

    def _request(self, method: str) -> Message:
        message = Message()
        message.add_byte(cMSG_USERAUTH_REQUEST)
        message.add_string(self._user)
        message.add_string("ssh-connection")
        message.add_string(method)
        return message

    def _answer(self, message: Message) -> Answer:
        self._transport._send_message(message)
        answer = self._next()
        if not isinstance(answer, Answer):
            raise EOFError
        return answer

    def _next(self) -> Message | Answer:
        try:
            answer = self._answers.get(timeout=_PATIENCE)
        except queue.Empty:
            raise TimeoutError("timed out") from None
        if answer is None:
            self._transport.require_alive()
            raise EOFError
        return answer

    def _succeeded(self, m: Any) -> None:  # noqa: ARG002
        self._welcome = True
        self._transport._auth_trigger()
        self._answers.put(Answer(True))

    def _failed(self, m: Message) -> None:
        methods = tuple(m.get_list())
        self._answers.put(Answer(False, methods, m.get_boolean()))

    def _show(self, m: Message) -> None:
        self.banner += m.get_string().decode("utf-8", "replace")


def _questions(m: Message) -> Questions:
    title, instructions, _ = (m.get_string().decode("utf-8", "replace") for _ in range(3))
    prompts = []
    for _ in range(min(m.get_int(), 16)):
        prompts.append(m.get_string().decode("utf-8", "replace"))
        m.get_boolean()
    return Questions(title, instructions, tuple(prompts))
