"""Merge answers: those of the command line take precedence over those of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from image_tools.answers.model import Answers, WifiAnswers

T = TypeVar("T")

_JOINED = frozenset({"ssh_keys", "unset", "connections", "remove_connections"})
"""Lists that are joined; any other list is replaced."""


def merge_answers(under: Answers, over: Answers) -> Answers:
    """Merge `over` into `under`; values of `over` take precedence.

    A Wi-Fi network of `over` is merged with that of the same SSID (and id, if it has one) in `under`; one
    without an SSID is merged with the only network of `under`. Other networks are added. Lists of files, ids
    and keys are joined without duplicates.
    """
    joined: dict[str, Any] = {name: _join(getattr(under, name), getattr(over, name)) for name in _JOINED}
    config = _merge_objects(under.config, over.config)
    return replace(_override(under, over), **joined, config=config, wifi=_networks(under.wifi, over.wifi))


def _override(under: T, over: T) -> T:
    """Override the fields that `over` sets, recursively for sections."""
    assert is_dataclass(under)
    values: dict[str, Any] = {}
    for field in fields(under):
        below, above = getattr(under, field.name), getattr(over, field.name)
        if above is None or above == ():
            continue
        both = is_dataclass(above) and type(above) is type(below) and field.name in _SECTIONS
        values[field.name] = _override(below, above) if both else above
    return replace(under, **values)  # type: ignore[type-var]


_SECTIONS = frozenset({"ethernet", "cellular", "hotspot", "proxy"})


def _networks(under: tuple[WifiAnswers, ...], over: tuple[WifiAnswers, ...]) -> tuple[WifiAnswers, ...]:
    networks = dict(enumerate(under))
    unmatched = set(networks)
    for network in over:
        same = [index for index in sorted(unmatched) if _is_same(under[index], network, len(under))]
        index = same[0] if same else len(networks)
        unmatched.discard(index)
        networks[index] = _override(under[index], network) if same else network
    return tuple(networks.values())


def _is_same(below: WifiAnswers, above: WifiAnswers, count: int) -> bool:
    if above.ssid is None:
        return count == 1
    return above.ssid == below.ssid and above.id in (None, below.id)


def _join(under: tuple[T, ...], over: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*under, *over)))


def _merge_objects(under: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[name] = _merge_objects(below, value) if both else value  # type: ignore[arg-type]
    return result
