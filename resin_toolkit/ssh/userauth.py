"""Authentication requests (RFC 4252, 4256) that first ask whether the server accepts a key.

paramiko signs with every key before it knows whether the server accepts it: the owner of a security key would
have to touch it, or type a passphrase, for nothing. Its `send_auth_request` also creates the event for the
answer only after the request is sent, so that the answer of a fast server is missed for 30 seconds, and
it does not return the methods that a server accepts after a plain refusal. Hence the requests are built here;
state, dispatch and the end of the connection are paramiko's.
"""

from __future__ import annotations

import queue
import time
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

from resin_toolkit.ssh.packetizer import ProtocolViolation
from resin_toolkit.untrusted_json import one_line

if TYPE_CHECKING:
    from resin_toolkit.ssh.keys import CandidateKey
    from resin_toolkit.ssh.transport import Transport

# The type stubs of paramiko leave out much of what is used here.
_AuthHandler: Any = paramiko_auth_handler.AuthHandler

_METHOD_SPECIFIC = 60
"""SSH_MSG_USERAUTH_PK_OK or SSH_MSG_USERAUTH_INFO_REQUEST, depending on the method."""
_INFO_RESPONSE = b"\x3d"
LOGIN_TIMEOUT = 10.0
"""Seconds that a server may take for all its answers; one that hashes a password may be slow."""
_MAX_PROMPTS = 16
"""Prompts of one request, and requests of one login, with keyboard-interactive authentication."""
_MAX_TEXT = 1000
_MAX_METHODS = 16


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

    The server may take `within` seconds for all its answers, and as long again after each input of a person.
    Each request raises EOFError, OSError or SSHException when the connection ends.
    """

    def __init__(self, transport: Transport, user: str, within: float) -> None:
        super().__init__(transport)
        self.username = user
        self._transport = transport
        self._within = self._left = within
        self._is_awaiting = False
        self._answers: queue.SimpleQueue[Message | AuthResult | None] = queue.SimpleQueue()

    def request_none(self) -> AuthResult:
        """Log in without credentials, as development images allow. Else, learn the methods."""
        message = Message()
        message.add_byte(cMSG_SERVICE_REQUEST)
        message.add_string("ssh-userauth")
        self._send(message)
        self._next_answer()
        return self._request_answer(self._new_request("none"))

    def accepts_key(self, blob: bytes, algorithm: str) -> bool:
        """Whether the server accepts signatures by this key."""
        message = self._new_request("publickey")
        message.add_boolean(False)
        message.add_string(algorithm)
        message.add_string(blob)
        self._send(message)
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
        """Log in with a password that a person typed."""
        self._left = self._within
        message = self._new_request("password")
        message.add_boolean(False)
        message.add_string(password)
        self._send(message)
        answer = self._next_answer()
        # Any other message is a request to change the password, which is not supported here.
        return answer if isinstance(answer, AuthResult) else AuthResult(False)

    def request_interactive(self, reply: Callable[[Prompts], Sequence[str]]) -> AuthResult:
        """Answer the server's prompts until it accepts or rejects the answers."""
        message = self._new_request("keyboard-interactive")
        message.add_string("")
        message.add_string("")
        self._send(message)
        rounds = 0
        while not isinstance(answer := self._next_answer(), AuthResult):
            rounds += 1
            if rounds > _MAX_PROMPTS:
                raise ProtocolViolation("its login prompts do not end")
            prompts = _parse_prompts(answer)
            replies = reply(prompts)
            if prompts.prompts:
                self._left = self._within
            message = Message()
            message.add_byte(_INFO_RESPONSE)
            message.add_int(len(replies))
            for text in replies:
                message.add_string(text)
            self._send(message)
        return answer

    # called by paramiko

    @property
    def _client_handler_table(self) -> dict[int, Callable[[Message], object]]:
        return {
            MSG_SERVICE_ACCEPT: self._put,
            MSG_USERAUTH_SUCCESS: self._parse_userauth_success,
            MSG_USERAUTH_FAILURE: self._parse_userauth_failure,
            MSG_USERAUTH_BANNER: lambda m: None,  # noqa: ARG005 - not shown
            _METHOD_SPECIFIC: self._put,
        }

    def _parse_userauth_success(self, m: Message) -> None:
        super()._parse_userauth_success(m)
        self._put(AuthResult(True))

    def _parse_userauth_failure(self, m: Message) -> None:
        methods = tuple(one_line(name, 64) for name in m.get_list()[:_MAX_METHODS])
        self._put(AuthResult(False, methods, m.get_boolean()))

    def abort(self) -> None:
        self._answers.put(None)

    def _put(self, answer: Message | AuthResult) -> None:
        """Pass an answer on. There is one for each request, or a server could fill the memory with them."""
        if not self._is_awaiting:
            raise ProtocolViolation("it answers a login that was not requested")
        self._is_awaiting = False
        self._answers.put(answer)

    def _send(self, message: Message) -> None:
        self._is_awaiting = True
        self._transport._send_message(message)

    def _new_request(self, method: str) -> Message:
        message = Message()
        message.add_byte(cMSG_USERAUTH_REQUEST)
        message.add_string(self.username)
        message.add_string("ssh-connection")
        message.add_string(method)
        return message

    def _request_answer(self, message: Message) -> AuthResult:
        self._send(message)
        answer = self._next_answer()
        if not isinstance(answer, AuthResult):
            raise EOFError
        return answer

    def _next_answer(self) -> Message | AuthResult:
        began = time.monotonic()
        try:
            answer = self._answers.get(timeout=max(0.0, self._left))
        except queue.Empty:
            raise TimeoutError("timed out") from None
        self._left -= time.monotonic() - began
        if answer is None:
            self._transport.require_alive()
            raise EOFError
        return answer


def _parse_prompts(m: Message) -> Prompts:
    title, instructions, _ = (_parse_text(m) for _ in range(3))
    count = m.get_int()
    if count > _MAX_PROMPTS:
        raise ProtocolViolation(f"it prompts for {count} inputs at once")
    prompts = []
    for _ in range(count):
        prompts.append(_parse_text(m))
        m.get_boolean()
    return Prompts(title, instructions, tuple(prompts))


def _parse_text(m: Message) -> str:
    text: str = m.get_string().decode("utf-8", "replace")
    return text[:_MAX_TEXT]
