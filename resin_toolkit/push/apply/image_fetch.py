"""Images that are not built: pulled by the device, or sent from the workstation's own engine."""

from __future__ import annotations

from resin_toolkit.engine import Engine
from resin_toolkit.engine.credentials import Credentials
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.progress_messages import Kind, Progressed
from resin_toolkit.errors import EngineFailed, ImageNotFound
from resin_toolkit.progress import Step
from resin_toolkit.project.application import Service
from resin_toolkit.push.apply.events import DeploymentListener

_COMES = "Downloading"
"""What engines say of a layer on its way from a registry."""


class PullProgress:
    """How much of an image has come, by what an engine says of each of its layers."""

    def __init__(self) -> None:
        self._had: dict[str, int] = {}

    def tell(self, message: Progressed, step: Step) -> None:
        """Let `step` know of what has come since the last message."""
        more = self.more(message)
        if more:
            step.advance(more)

    def more(self, message: Progressed) -> int:
        """The bytes that have come since the last message of that layer."""
        if message.kind is not Kind.STATUS or not message.text.startswith(_COMES):
            return 0
        before = self._had.get(message.id, 0)
        self._had[message.id] = max(before, message.current)
        return self._had[message.id] - before


def fetch_image(engine: Engine, service: Service, listener: DeploymentListener, *, pull: bool = False) -> str:
    """The ID of a service's image, once the device has it. Raises ImageNotFound, EngineFailed."""
    assert service.image is not None
    images, reference = Images(engine), service.image
    there = images.inspect(reference)
    if there is not None and not pull:
        return there.id
    from resin_toolkit.push.transfer.images import send_if_here

    if not pull and send_if_here(engine, reference, listener, service.name):
        sent = images.inspect(reference)
        if sent is not None:
            return sent.id
    listener.step(service.name, f"pulling {reference}")
    layers, credentials = PullProgress(), Credentials(engine, listener.warn).for_pull(reference)
    try:
        with listener.progress.step("pulling", None, subject=service.name) as step:
            for message in images.pull(reference, credentials=credentials):
                layers.tell(message, step)
    except EngineFailed as error:
        words = error.facts.get("words") or error.message.rstrip(".")
        raise EngineFailed(
            f"{engine.host} cannot pull {reference}: {words}.",
            hint="Is the device on the internet? What this workstation's engine has is sent from here.",
        ) from error
    pulled = images.inspect(reference)
    if pulled is None:
        raise ImageNotFound(
            f"{engine.host} pulled {reference}, and has it not.", hint="Is the device's disk full?"
        )
    return pulled.id
