"""The scenes of the recording in the README: from a downloaded image to an application in live mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from device.stand_in import Desk, StandIn, desk, stand_in
from support.pushed_projects import write
from support.resin_command import PROGRAM

from recording.camera import Camera, Cue

GARDEN = {
    "Dockerfile": 'FROM busybox\nCOPY app.sh when /garden/\nCMD ["sh", "/garden/app.sh"]\n',
    "app.sh": """\
trap exit TERM
for plant in basil mint thyme; do
    echo "$(cat /garden/when): $plant is watered"
    sleep 1 & wait
done
sleep 999 & wait
""",
    "when": "at seven\n",
    "resin.toml": 'name = "garden"\n[run]\nprivileged = false\n',
}


@contextmanager
def stage() -> Iterator[tuple[Desk, StandIn]]:
    """Two simulated devices; kitchen has a base image to build on."""
    with desk() as table, stand_in(table, "kitchen") as kitchen, stand_in(table, "garage"):
        kitchen.start("first", "true")
        kitchen.docker("rm", "-f", "first")
        kitchen.docker("tag", "stand-in", "busybox")
        # What is said once for each device was said.
        table.resin("ps", "kitchen")
        table.resin("ps", "garage")
        yield table, kitchen


def film(camera: Camera, table: Desk, folder: Path) -> None:
    """Record the scenes in `folder`, which is empty."""
    sample = files("image_tools").joinpath("data", "sample.img.xz").read_bytes()
    (folder / "resin.img.xz").write_bytes(sample)
    garden = write(folder / "garden", GARDEN)

    def resin(line: str, *cues: Cue) -> str:
        words = line.replace("'", "").split()[1:]
        command = [*table.prefix, PROGRAM, *words]
        around = {**table.environment, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        return camera.run(line, command, environment=around, folder=folder, cues=cues)

    camera.cut()
    resin("resin image info resin.img.xz")
    camera.hold(2.0)
    camera.cut()
    resin(
        "resin flash resin.img.xz card.img --wifi --ssid Home --hostname kitchen",
        Cue("assphrase", "wild strawberries\n", wait=1.2),
    )
    camera.hold(1.8)
    camera.cut()
    resin("resin scan")
    camera.hold(1.8)
    camera.cut()
    resin(
        "resin push kitchen --source garden",
        Cue("thyme is watered", do=lambda: (garden / "when").write_text("at eight\n"), wait=1.0),
        Cue("at eight: thyme is watered", wait=1.0, leave=True),
    )
    camera.hold(1.5)
    camera.cut()
    resin("resin logs kitchen --tail 3 --follow --timestamps", Cue("thyme is watered", leave=True))
    camera.hold(2.0)
