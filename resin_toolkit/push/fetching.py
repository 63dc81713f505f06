"""Images that are not built: pulled by the device, or sent from the workstation's own engine."""

from __future__ import annotations

from resin_toolkit.engine import Engine
from resin_toolkit.engine.images import Images
from resin_toolkit.errors import ImageNotFound
from resin_toolkit.project.application import Service
from resin_toolkit.push.telling import Telling


def fetched(engine: Engine, service: Service, telling: Telling, *, pull: bool = False) -> str:
    """The ID of a service's image, once the device has it. Raises ImageNotFound, EngineFailed."""
    assert service.image is not None
    images, reference = Images(engine), service.image
    there = images.inspect(reference)
    if there is not None and not pull:
        return there.id
    from resin_toolkit.push.transfer import send_if_here

    if not pull and send_if_here(engine, reference, telling, service.name):
        sent = images.inspect(reference)
        if sent is not None:
            return sent.id
    telling.step(service.name, f"pulling {reference}")
    for message in images.pull(reference):
        telling.output(service.name, f"{message.id} {message.text}\n" if message.id else f"{message.text}\n")
    pulled = images.inspect(reference)
    if pulled is None:
        raise ImageNotFound(
            f"{engine.host} pulled {reference}, and has it not.", hint="Is the device's disk full?"
        )
    return pulled.id
