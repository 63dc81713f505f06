"""The table of commands: what `resin --help` and completion show without importing any of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VerbEntry:
    """A command of `resin`, listed in its help and imported only when it is used.

    Its `app` is in `commands/NAME.py`, or in `commands/NAME/command.py` if it `has_folder`. `streams`: with
    --json it prints events before the result.
    """

    name: str
    help: str
    group: str
    streams: bool = False
    has_folder: bool = False

    @property
    def module(self) -> str:
        """The module that holds the command's `app`."""
        return f"commands.{self.name}.command" if self.has_folder else f"commands.{self.name}"


VERBS = (
    VerbEntry(
        "configure",
        "Configure an OS image: host name, Wi-Fi and networks, SSH keys.",
        "Image",
        has_folder=True,
    ),
    VerbEntry(
        "image",
        "Inspect an image: its partitions and the files on its boot partition.",
        "Image",
        has_folder=True,
    ),
    VerbEntry("drives", "List the drives that can be flashed.", "Image", streams=True),
    VerbEntry(
        "flash",
        "Write an image to SD cards, drives or files, and verify it.",
        "Image",
        streams=True,
        has_folder=True,
    ),
    VerbEntry("verify", "Compare a drive with an image.", "Image", streams=True),
    VerbEntry("emulate", "Boot an image in QEMU, without a board.", "Image", streams=True, has_folder=True),
    VerbEntry(
        "demo", "Try configure, flash and verify on a sample image: no board, root or network.", "Image"
    ),
    VerbEntry("init", "Create a project on the base image for your board.", "Project"),
    VerbEntry(
        "push",
        "Build and run a project on a device, then sync changes as you save.",
        "Project",
        streams=True,
        has_folder=True,
    ),
    VerbEntry("stop", "Stop an application on a device.", "Project"),
    VerbEntry("restart", "Restart an application on a device.", "Project"),
    VerbEntry("rm", "Remove an application from a device.", "Project"),
    VerbEntry("scan", "Discover devices on the local network.", "Device", streams=True),
    VerbEntry("wait", "Wait until a device responds.", "Device"),
    VerbEntry("ps", "List the containers on a device.", "Device"),
    VerbEntry(
        "logs",
        "Show the logs of a device's containers, or its system journal.",
        "Device",
        streams=True,
    ),
    VerbEntry("env", "Print the DOCKER_HOST setting for a device.", "Device"),
    VerbEntry("ssh", "Open a shell or run a command on a device, or in one of its containers.", "Device"),
    VerbEntry("reboot", "Reboot a device.", "Device"),
    VerbEntry("reset", "Reset a device to its unconfigured state.", "Device"),
    VerbEntry("console", "Connect to a device's serial console.", "Device"),
    VerbEntry("doctor", "Check what this machine is missing for each command.", "Device"),
)
