"""How long work tells how far it is, without knowing of any screen."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Step(Protocol):
    """One stretch of work that is under way; leaving the `with` block ends it."""

    def advance(self, amount: int) -> None:
        """`amount` more bytes are done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Progress(Protocol):
    """What long work reports to."""

    def step(self, name: str, total: int | None, *, subject: str = "") -> Step:
        """Begin a stretch of work, a verb such as "writing"; `total` in bytes, None where it is not known.

        `subject` names what it is done to, where several are worked on at a time.
        """


class SilentStep:
    def advance(self, amount: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class SilentProgress:
    """Progress that nobody watches."""

    def step(self, name: str, total: int | None, *, subject: str = "") -> SilentStep:  # noqa: ARG002
        return SilentStep()
