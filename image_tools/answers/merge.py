"""Merge answers: those of the command line take precedence over those of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from image_tools.answers.model import Answers, WifiAnswers

T = TypeVar("T")

_ADDED = frozenset({"ssh_keys", "unset", "connections", "remove_connections"})
"""Lists to which the upper ones are added; any other is replaced."""


def merged(under: Answers, over: Answers) -> Answers:
    """Merge `over` into `under`; values of `over` take precedence.

    A Wi-Fi network of `over` completes the one of the same SSID (and id, if it says one); one without an SSID
    completes the only one that there is; any other is one more. Files, ids and keys in lists come together,
    without repeats.
    """
    added: dict[str, Any] = {name: _joined(getattr(under, name), getattr(over, name)) for name in _ADDED}
    config = _laid_over(under.config, over.config)
    return replace(_overlaid(under, over), **added, config=config, wifi=_networks(under.wifi, over.wifi))


def _overlaid(under: T, over: T) -> T:
    """Field by field; sections too."""
    assert is_dataclass(under)
    said: dict[str, Any] = {}
    for field in fields(under):
        below, above = getattr(under, field.name), getattr(over, field.name)
        if above is None or above == ():
            continue
        both = is_dataclass(above) and type(above) is type(below) and field.name in _SECTIONS
        said[field.name] = _overlaid(below, above) if both else above
    return replace(under, **said)  # type: ignore[type-var]


_SECTIONS = frozenset({"ethernet", "cellular", "hotspot", "proxy"})


def _networks(under: tuple[WifiAnswers, ...], over: tuple[WifiAnswers, ...]) -> tuple[WifiAnswers, ...]:
    networks = dict(enumerate(under))
    left = set(networks)
    for network in over:
        same = [index for index in sorted(left) if _is_same(under[index], network, len(under))]
        index = same[0] if same else len(networks)
        left.discard(index)
        networks[index] = _overlaid(under[index], network) if same else network
    return tuple(networks.values())


def _is_same(below: WifiAnswers, above: WifiAnswers, count: int) -> bool:
    if above.ssid is None:
        return count == 1
    return above.ssid == below.ssid and above.id in (None, below.id)


def _joined(under: tuple[T, ...], over: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*under, *over)))


def _laid_over(under: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[name] = _laid_over(below, value) if both else value  # type: ignore[arg-type]
    return result
