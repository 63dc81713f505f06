"""Which images builds have made on the way: their IDs, each as `service:ID`, so that what one service still
stands on is not taken for stale by the build of another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


def entries(service: str, images: Iterable[str]) -> set[str]:
    """The images that a build of `service` has made, or uses of those that were made before."""
    return {f"{service}:{image}" for image in images}


def images_of(ledger: Iterable[str]) -> set[str]:
    """The IDs alone."""
    return {entry.rpartition(":")[2] for entry in ledger}


def used(ledger: set[str], seen: Mapping[str, set[str]]) -> None:
    """Add that services use what others have made: `seen` are the images that each was built upon."""
    made = images_of(ledger)
    for service, images in seen.items():
        ledger |= entries(service, images & made)


def stale(ledger: set[str], seen: Mapping[str, set[str]], services: Collection[str]) -> set[str]:
    """The entries that nothing stands on any more: of services that were built anew, by `seen`, and of those
    that are not among the `services` of the application."""
    found = set()
    for entry in ledger:
        service, _, image = entry.rpartition(":")
        if (service in seen and image not in seen[service]) or service not in services:
            found.add(entry)
    return found
