"""The table of verbs: what `resin --help` and TAB show without opening any of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VerbEntry:
    """A verb that exists. `commands/<name>.py` holds its `app`; it is opened only when its word is typed."""

    name: str
    help: str
    group: str
    streams: bool = False


VERBS = (
    VerbEntry("configure", "Write config.json and network profiles into an image's boot partition.", "Image"),
    VerbEntry("image", "Look into an image: its partitions, and the files of its boot partition.", "Image"),
    VerbEntry("drives", "List the drives that may be flashed.", "Image", streams=True),
    VerbEntry("flash", "Write an image to drives or files, and verify it.", "Image", streams=True),
    VerbEntry("verify", "Compare an image with what a drive holds.", "Image", streams=True),
    VerbEntry("emulate", "Boot an image in QEMU, without a board.", "Image", streams=True),
    VerbEntry("demo", "Try the image half on a sample image: no board, no root, no network.", "Image"),
    VerbEntry("init", "Begin a project that can be pushed, on the right base image.", "Project"),
    VerbEntry("push", "Build and run a project on a device, and keep it in step.", "Project", streams=True),
    VerbEntry("stop", "Stop what was pushed to a device.", "Project"),
    VerbEntry("restart", "Start anew what was pushed to a device.", "Project"),
    VerbEntry("rm", "Remove what was pushed to a device.", "Project"),
    VerbEntry("scan", "Find the devices on the local network.", "Device", streams=True),
    VerbEntry("wait", "Wait until a device is there.", "Device"),
    VerbEntry("ps", "List what runs on a device.", "Device"),
    VerbEntry("logs", "Show what the containers of a device write, and follow it.", "Device", streams=True),
    VerbEntry("env", "Print what lets docker, and others, use a device's engine.", "Device"),
    VerbEntry("ssh", "Open a shell on a device, or in a container of it, or run a command there.", "Device"),
    VerbEntry("reboot", "Start a device anew.", "Device"),
    VerbEntry("reset", "Put a device back to its unconfigured image.", "Device"),
    VerbEntry("console", "Type into a device's console over a serial line.", "Device"),
    VerbEntry("doctor", "Say what this workstation lacks for each verb.", "Device"),
)
