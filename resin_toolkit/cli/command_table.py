"""The table of commands: what `resin --help` and completion show without importing any of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CommandEntry:
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


COMMANDS = (
    CommandEntry(
        "configure",
        "Configure an OS image: host name, networks, SSH keys and more.",
        "Image",
        has_folder=True,
    ),
    CommandEntry(
        "image",
        "Inspect an image: its partitions and the files on its boot partition.",
        "Image",
        has_folder=True,
    ),
    CommandEntry("drives", "List the drives that can be flashed.", "Image", streams=True),
    CommandEntry(
        "flash",
        "Write an image to SD cards, drives or files, and verify it.",
        "Image",
        streams=True,
        has_folder=True,
    ),
    CommandEntry("verify", "Compare a drive with an image.", "Image", streams=True),
    CommandEntry(
        "emulate", "Boot an image in QEMU, without a board.", "Image", streams=True, has_folder=True
    ),
    CommandEntry(
        "demo", "Try configure, flash and verify on a sample image: no board, root or network.", "Image"
    ),
    CommandEntry("init", "Create a project on the base image for your board.", "Project"),
    CommandEntry(
        "push",
        "Build and run a project on a device, then sync changes as you save.",
        "Project",
        streams=True,
        has_folder=True,
    ),
    CommandEntry("stop", "Stop an application on a device.", "Project"),
    CommandEntry("restart", "Restart an application on a device.", "Project"),
    CommandEntry("rm", "Remove an application from a device.", "Project"),
    CommandEntry("scan", "Discover devices on the local network.", "Device", streams=True),
    CommandEntry("wait", "Wait until a device responds.", "Device"),
    CommandEntry("ps", "List the containers on a device.", "Device"),
    CommandEntry(
        "logs",
        "Show the logs of a device's containers, or its system journal.",
        "Device",
        streams=True,
    ),
    CommandEntry("env", "Print the DOCKER_HOST setting for a device.", "Device"),
    CommandEntry("ssh", "Open a shell or run a command on a device, or in one of its containers.", "Device"),
    CommandEntry("reboot", "Reboot a device.", "Device"),
    CommandEntry("reset", "Reset a device to its unconfigured state.", "Device"),
    CommandEntry("console", "Connect to a device's serial console.", "Device"),
    CommandEntry("doctor", "Check what this machine is missing for each command.", "Device"),
)
