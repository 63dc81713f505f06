"""The intermediate images of builds, and the progress of a pull."""

from __future__ import annotations

from resin_toolkit.engine.progress_messages import MessageKind, ProgressMessage
from resin_toolkit.push.apply.image_cleanup import BuiltImages
from resin_toolkit.push.apply.image_fetch import PullProgress


def test_images_of_a_service_that_was_not_rebuilt_are_kept() -> None:
    built = BuiltImages({"web:a", "web:b", "db:c"})
    assert built.stale({"web": {"b"}}, ["web", "db"]).entries == {"web:a"}
    assert built.stale({}, ["web", "db"]).entries == set()


def test_an_image_of_two_services_is_kept_until_neither_uses_it() -> None:
    built = BuiltImages()
    built.add("web", ["a"])
    built.add_reused({"db": {"a", "base"}})
    assert built.entries == {"web:a", "db:a"}
    stale = built.stale({"web": {"b"}}, ["web", "db"])
    assert stale.entries == {"web:a"}
    assert stale.images - built.without(stale).images == set()


def test_images_of_services_that_no_longer_exist_are_stale() -> None:
    built = BuiltImages({"old:a", "without-a-service"})
    assert built.stale({}, ["web"]).entries == built.entries
    assert built.images == {"a", "without-a-service"}


def test_the_bytes_of_a_layer_are_counted_once() -> None:
    pull, done = PullProgress(), 0
    for text, identity, current in (
        ("Pulling fs layer", "x", 0),
        ("Downloading", "x", 10),
        ("Downloading", "y", 5),
        ("Downloading", "x", 30),
        ("Extracting", "x", 20),
        ("Downloading", "x", 30),
    ):
        done += pull.received_since(ProgressMessage(MessageKind.STATUS, text, identity, current, 100))
    assert pull.received_since(ProgressMessage(MessageKind.TEXT, "Downloading things")) == 0
    assert done == 35
