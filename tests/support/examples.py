"""How many examples a test of hypothesis tries: more in a random search than in every run."""

from __future__ import annotations

from hypothesis import settings

_USUAL = 100
"""The examples of a test that does not say how many; the profile of `tests/run --random` has more."""


def examples(count: int) -> int:
    """`count`, times as many as the profile has more than usual."""
    return count * settings.default.max_examples // _USUAL if settings.default else count
