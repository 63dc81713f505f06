"""What a push remembers of images that builds have made, and how much of an image has come."""

from __future__ import annotations

from resin_toolkit.engine.progress_messages import Kind, Progressed
from resin_toolkit.push.apply.built_images import entries, images_of, stale, used
from resin_toolkit.push.apply.image_fetch import PullProgress


def test_what_a_service_stands_on_that_was_not_built_stays() -> None:
    ledger = entries("web", ["a", "b"]) | entries("db", ["c"])
    assert stale(ledger, {"web": {"b"}}, ["web", "db"]) == {"web:a"}
    assert stale(ledger, {}, ["web", "db"]) == set()


def test_what_two_services_use_stays_until_neither_does() -> None:
    ledger = entries("web", ["a"])
    used(ledger, {"db": {"a", "base"}})
    assert ledger == {"web:a", "db:a"}
    gone = stale(ledger, {"web": {"b"}}, ["web", "db"])
    assert gone == {"web:a"}
    assert images_of(gone) - images_of(ledger - gone) == set()


def test_images_of_services_that_are_no_more_go() -> None:
    ledger = {*entries("old", ["a"]), "without-a-service"}
    assert stale(ledger, {}, ["web"]) == ledger
    assert images_of(ledger) == {"a", "without-a-service"}


def test_bytes_of_layers_are_counted_once() -> None:
    layers, done = PullProgress(), 0
    for text, identity, current in (
        ("Pulling fs layer", "x", 0),
        ("Downloading", "x", 10),
        ("Downloading", "y", 5),
        ("Downloading", "x", 30),
        ("Extracting", "x", 20),
        ("Downloading", "x", 30),
    ):
        done += layers.more(Progressed(Kind.STATUS, text, identity, current, 100))
    assert layers.more(Progressed(Kind.TEXT, "Downloading things")) == 0
    assert done == 35
