"""How long operations report their progress, whoever displays it."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Step(Protocol):
    """One step of an operation; leaving the `with` block ends it."""

    def advance(self, amount: int) -> None:
        """Report that `amount` more bytes are done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Progress(Protocol):
    """Receives the progress of an operation."""

    def step(self, name: str, total: int | None, *, subject: str = "") -> Step:
        """Start a step such as "writing", of `total` bytes; None if that is unknown.

        `subject` names the target, if several are worked on at a time.
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
    """Progress that is not displayed."""

    def step(self, name: str, total: int | None, *, subject: str = "") -> SilentStep:  # noqa: ARG002
        return SilentStep()
