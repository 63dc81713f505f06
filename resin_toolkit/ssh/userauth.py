"""Authentication requests (RFC 4252, 4256) that first ask whether the server accepts a key.

paramiko signs with every key before it knows whether the server accepts it: the owner of a security key would
have to touch it, or type a passphrase, for nothing. Its `send_auth_request` also creates the event for the
answer only after the request is sent, so that the answer of a fast server is missed for 30 seconds, and
it does not return the methods that a server accepts after a plain refusal. Hence the requests are built here;
state, dispatch and the end of the connection are paramiko's.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paramiko import auth_handler as paramiko_auth_handler
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
    from resin_toolkit.ssh.keys import CandidateKey
    from resin_toolkit.ssh.transport import Transport

# The type stubs of paramiko leave out much of what is used here.
_AuthHandler: Any = paramiko_auth_handler.AuthHandler

_METHOD_SPECIFIC = 60
"""SSH_MSG_USERAUTH_PK_OK or SSH_MSG_USERAUTH_INFO_REQUEST, depending on the method."""
_INFO_RESPONSE = b"\x3d"
_TIMEOUT = 30.0
"""Seconds within which a server must answer; one that hashes a password may be slow."""
_MAX_PROMPTS = 16


@dataclass(frozen=True)
class AuthResult:
    """The answer to a request: success, or the methods that may continue; `partial` if this one succeeded."""

    done: bool
    methods: tuple[str, ...] = ()
    partial: bool = False


@dataclass(frozen=True)
class Prompts:
    """The prompts of keyboard-interactive authentication, in the server's words."""

    title: str
    instructions: str
    prompts: tuple[str, ...]


class UserAuthentication(_AuthHandler):  # type: ignore[misc]
    """Authenticates `user`. The transport passes it the answers of the server.

    Each request raises EOFError, OSError or SSHException when the connection ends.
    """

    def __init__(self, transport: Transport, user: str) -> None:
        super().__init__(transport)
        self.username = user
        self._transport = transport
        self._answers: queue.SimpleQueue[Message | AuthResult | None] = queue.SimpleQueue()

    def request_none(self) -> AuthResult:
        """Log in without credentials, as development images allow. Else, learn the methods."""
        message = Message()
        message.add_byte(cMSG_SERVICE_REQUEST)
        message.add_string("ssh-userauth")
        self._transport._send_message(message)
        self._next_answer()
        return self._request_answer(self._new_request("none"))

    def accepts_key(self, blob: bytes, algorithm: str) -> bool:
        """Whether the server accepts signatures by this key."""
        message = self._new_request("publickey")
        message.add_boolean(False)
        message.add_string(algorithm)
        message.add_string(blob)
        self._transport._send_message(message)
        return not isinstance(self._next_answer(), AuthResult)

    def request_publickey(self, key: CandidateKey, algorithm: str) -> AuthResult:
        assert key.blob is not None
        message = self._new_request("publickey")
        message.add_boolean(True)
        message.add_string(algorithm)
        message.add_string(key.blob)
        signed = Message()
        signed.add_string(self._transport.session_id)
        signed.add_bytes(message.asbytes())
        message.add_string(key.sign(signed.asbytes(), algorithm))
        return self._request_answer(message)

    def request_password(self, password: str) -> AuthResult:
        message = self._new_request("password")
        message.add_boolean(False)
        message.add_string(password)
        self._transport._send_message(message)
        answer = self._next_answer()
        # Any other message is a request to change the password, which is not supported here.
        return answer if isinstance(answer, AuthResult) else AuthResult(False)

    def request_interactive(self, reply: Callable[[Prompts], Sequence[str]]) -> AuthResult:
        """Answer the server's prompts until it accepts or rejects the answers."""
        message = self._new_request("keyboard-interactive")
        message.add_string("")
        message.add_string("")
        self._transport._send_message(message)
        while not isinstance(answer := self._next_answer(), AuthResult):
            replies = reply(_parse_prompts(answer))
            message = Message()
            message.add_byte(_INFO_RESPONSE)
            message.add_int(len(replies))
            for text in replies:
                message.add_string(text)
            self._transport._send_message(message)
        return answer

    # called by paramiko

    @property
    def _client_handler_table(self) -> dict[int, Callable[[Message], object]]:
        return {
            MSG_SERVICE_ACCEPT: self._answers.put,
            MSG_USERAUTH_SUCCESS: self._parse_userauth_success,
            MSG_USERAUTH_FAILURE: self._parse_userauth_failure,
            MSG_USERAUTH_BANNER: lambda m: None,  # noqa: ARG005 - not shown
            _METHOD_SPECIFIC: self._answers.put,
        }

    def _parse_userauth_success(self, m: Message) -> None:
        super()._parse_userauth_success(m)
        self._answers.put(AuthResult(True))

    def _parse_userauth_failure(self, m: Message) -> None:
        methods = tuple(m.get_list())
        self._answers.put(AuthResult(False, methods, m.get_boolean()))

    def abort(self) -> None:
        self._answers.put(None)

    def _new_request(self, method: str) -> Message:
        message = Message()
        message.add_byte(cMSG_USERAUTH_REQUEST)
        message.add_string(self.username)
        message.add_string("ssh-connection")
        message.add_string(method)
        return message

    def _request_answer(self, message: Message) -> AuthResult:
        self._transport._send_message(message)
        answer = self._next_answer()
        if not isinstance(answer, AuthResult):
            raise EOFError
        return answer

    def _next_answer(self) -> Message | AuthResult:
        try:
            answer = self._answers.get(timeout=_TIMEOUT)
        except queue.Empty:
            raise TimeoutError("timed out") from None
        if answer is None:
            self._transport.require_alive()
            raise EOFError
        return answer


def _parse_prompts(m: Message) -> Prompts:
    title, instructions, _ = (m.get_string().decode("utf-8", "replace") for _ in range(3))
    prompts = []
    for _ in range(min(m.get_int(), _MAX_PROMPTS)):
        prompts.append(m.get_string().decode("utf-8", "replace"))
        m.get_boolean()
    return Prompts(title, instructions, tuple(prompts))
