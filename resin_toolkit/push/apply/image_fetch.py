"""Images that are not built: pulled by the device, or sent from the workstation's engine."""

from __future__ import annotations

from resin_toolkit.engine import Engine
from resin_toolkit.engine.credentials import Credentials
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.progress_messages import MessageKind, ProgressMessage
from resin_toolkit.errors import EngineFailed, ImageNotFound
from resin_toolkit.progress import Step
from resin_toolkit.project.application import Service
from resin_toolkit.push.apply.listener import DeploymentListener

_DOWNLOADING = "Downloading"
"""The status of a layer that is downloaded from a registry."""


class PullProgress:
    """The progress of a pull, from the engine's messages about each layer."""

    def __init__(self) -> None:
        self._received: dict[str, int] = {}

    def advance(self, message: ProgressMessage, step: Step) -> None:
        """Advance `step` by the bytes received since the last message."""
        received = self.received_since(message)
        if received:
            step.advance(received)

    def received_since(self, message: ProgressMessage) -> int:
        """The bytes received since the last message about the same layer."""
        if message.kind is not MessageKind.STATUS or not message.text.startswith(_DOWNLOADING):
            return 0
        before = self._received.get(message.id, 0)
        self._received[message.id] = max(before, message.current)
        return self._received[message.id] - before


def fetch_image(engine: Engine, service: Service, listener: DeploymentListener, *, pull: bool = False) -> str:
    """Get the image of a service onto the device; return its ID. Raises ImageNotFound, EngineFailed."""
    assert service.image is not None
    images, reference = Images(engine), service.image
    present = images.inspect(reference)
    if present is not None and not pull:
        return present.id
    from resin_toolkit.push.transfer.images import send_if_here

    if not pull and send_if_here(engine, reference, listener, service.name):
        sent = images.inspect(reference)
        if sent is not None:
            return sent.id
    listener.step(service.name, f"pulling {reference}")
    pull_progress, credentials = PullProgress(), Credentials(engine, listener.warn).for_pull(reference)
    try:
        with listener.progress.step("pulling", None, subject=service.name) as step:
            for message in images.pull(reference, credentials=credentials):
                pull_progress.advance(message, step)
    except EngineFailed as error:
        words = error.facts.get("words") or error.message.rstrip(".")
        raise EngineFailed(
            f"{engine.host} cannot pull {reference}: {words}.",
            hint="Check the device's internet access, or `docker pull` it here: push then sends it.",
        ) from error
    pulled = images.inspect(reference)
    if pulled is None:
        raise ImageNotFound(
            f"{engine.host} pulled {reference}, but does not have it.",
            hint="Check whether the device's disk is full.",
        )
    return pulled.id
