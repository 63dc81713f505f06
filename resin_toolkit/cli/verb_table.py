"""The table of verbs: what `resin --help` and TAB show without opening any of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VerbEntry:
    """One command of `resin`, shown in its help and opened only when it is used.

    Its `app` is in `commands/NAME.py`, or in `commands/NAME/command.py` where it `has_folder`.
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
        "Write config.json and network profiles into an image's boot partition.",
        "Image",
        has_folder=True,
    ),
    VerbEntry(
        "image",
        "Look into an image: its partitions, and the files of its boot partition.",
        "Image",
        has_folder=True,
    ),
    VerbEntry("drives", "List the drives that may be flashed.", "Image", streams=True),
    VerbEntry(
        "flash", "Write an image to drives or files, and verify it.", "Image", streams=True, has_folder=True
    ),
    VerbEntry("verify", "Compare an image with what a drive holds.", "Image", streams=True),
    VerbEntry("emulate", "Boot an image in QEMU, without a board.", "Image", streams=True, has_folder=True),
    VerbEntry("demo", "Try the image half on a sample image: no board, no root, no network.", "Image"),
    VerbEntry("init", "Begin a project that can be pushed, on the right base image.", "Project"),
    VerbEntry(
        "push",
        "Build and run a project on a device, and keep it in step.",
        "Project",
        streams=True,
        has_folder=True,
    ),
    VerbEntry("stop", "Stop what was pushed to a device.", "Project"),
    VerbEntry("restart", "Start anew what was pushed to a device.", "Project"),
    VerbEntry("rm", "Remove what was pushed to a device.", "Project"),
    VerbEntry("scan", "Find the devices on the local network.", "Device", streams=True),
    VerbEntry("wait", "Wait until a device is there.", "Device"),
    VerbEntry("ps", "List what runs on a device.", "Device"),
    VerbEntry(
        "logs",
        "Show what the containers of a device write, and follow it.",
        "Device",
        streams=True,
        has_folder=True,
    ),
    VerbEntry("env", "Print what lets docker, and others, use a device's engine.", "Device"),
    VerbEntry("ssh", "Open a shell on a device, or in a container of it, or run a command there.", "Device"),
    VerbEntry("reboot", "Start a device anew.", "Device"),
    VerbEntry("reset", "Put a device back to its unconfigured image.", "Device"),
    VerbEntry("console", "Type into a device's console over a serial line.", "Device"),
    VerbEntry("doctor", "Say what this workstation lacks for each verb.", "Device"),
)
