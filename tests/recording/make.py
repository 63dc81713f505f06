"""Record tests/recording/resin.svg, as root. `sudo tests/regenerate --recording` calls it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from recording.camera import Camera
from recording.drawing import drawing
from recording.scenes import film, stage

PICTURE = Path(__file__).with_name("resin.svg")
TITLE = (
    "A terminal: resin inspects an image, flashes it, finds two devices, deploys a project to one and shows "
    "its logs"
)


def main() -> None:
    """Run the scenes and write the SVG."""
    camera = Camera()
    with stage() as (table, _), tempfile.TemporaryDirectory() as folder:
        film(camera, table, Path(folder))
    picture = drawing(camera.scenes, round(camera.now, 2), TITLE)
    PICTURE.write_text(picture, encoding="utf-8")
    print(f"{PICTURE.name}: {camera.now:.1f} s, {len(picture) / 1000:.0f} kB")
