"""Every way in which a verb can fail: a code for scripts, an exit code, a sentence and a hint.

The set is closed: a new kind of failure is a new class here. Library errors are turned into these where
they are met, and shown in one place, `resin_toolkit.terminal.report`.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes of the command line; `resin ssh` alone ends with the remote command's own."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    VERIFY_FAILED = 5
    UNREACHABLE = 6
    NOT_PERMITTED = 7
    INTERRUPTED = 130


@dataclass(frozen=True)
class Notice:
    """Something the user should know though the work goes on: printed as a warning, listed in `--json`."""

    code: str
    message: str


class ResinError(Exception):
    """A failure that the user can act on.

    `message` is one sentence that names the thing and the reason, `hint` says what to do.
    `facts` are the values the sentence was made of, for callers that use the library.
    """

    code: ClassVar[str] = "failed"
    exit: ClassVar[Exit] = Exit.FAILED

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts
        self.partial: object = None
        """What was done all the same, a result to be shown beside the failure; None if nothing was."""


# 1: failed


class InternalError(ResinError):
    """A defect of resin itself; the traceback is shown with --debug."""

    code = "internal"


class ImageDamaged(ResinError):
    """An image or archive that contradicts itself, ends early or fails its own checksum."""

    code = "image-damaged"


class NotAnImage(ResinError):
    """Bytes in which no partition table and no file system was recognised."""

    code = "not-an-image"


class FileSystemDamaged(ResinError):
    """A file system whose structures contradict each other. Nothing was written to it."""

    code = "filesystem-damaged"


class NoSpace(ResinError):
    """What should be written does not fit. Nothing was written."""

    code = "no-space"


class ConfigInvalid(ResinError):
    """A configuration that exists and cannot be read, or a result that would not be valid."""

    code = "config-invalid"


class IoFailed(ResinError):
    """The operating system or the medium reported an error while reading or writing."""

    code = "io-error"


class EngineFailed(ResinError):
    """The device's engine could not do what it was asked; the message is its own."""

    code = "engine-failed"


class BuildFailed(ResinError):
    """An image could not be built; the message is the engine's own."""

    code = "build-failed"


class PushFailed(ResinError):
    """What was pushed does not run; what ran before runs again, unless the message says otherwise."""

    code = "push-failed"


class NotSupported(ResinError):
    """The device's operating system, or what stands in for a device, lacks what is needed for it."""

    code = "not-supported"


class EmulatorFailed(ResinError):
    """QEMU did not start, or has ended with an error; the message is its own."""

    code = "emulator-failed"


# 2: wrong usage


class Usage(ResinError):
    """The words of the command line do not fit together."""

    code = "usage"
    exit = Exit.USAGE


class BadValue(ResinError):
    """A value that can never work: a host name with a space, a passphrase of four characters."""

    code = "bad-value"
    exit = Exit.USAGE


class ComposeInvalid(ResinError):
    """A compose file that contradicts its specification, or asks for what no device can be given.

    The message has one line for each problem, with file and line; the fact `problems` has them one by one.
    """

    code = "compose-invalid"
    exit = Exit.USAGE


class PartitionAmbiguous(ResinError):
    """More than one partition could be meant."""

    code = "partition-ambiguous"
    exit = Exit.USAGE


class DeviceAmbiguous(ResinError):
    """More than one device could be meant, and nobody can be asked."""

    code = "device-ambiguous"
    exit = Exit.USAGE


# 3: not found


class PathNotFound(ResinError):
    """A file or directory, on the workstation or inside an image."""

    code = "file-not-found"
    exit = Exit.NOT_FOUND


class ProgramNotFound(ResinError):
    """A program that the verb is made with, and that is not part of resin, is not installed."""

    code = "program-not-found"
    exit = Exit.NOT_FOUND


class PartitionNotFound(ResinError):
    """The image has no such partition, or none that holds what was asked for."""

    code = "partition-not-found"
    exit = Exit.NOT_FOUND


class DriveNotFound(ResinError):
    """No such drive, or it went away."""

    code = "drive-not-found"
    exit = Exit.NOT_FOUND


class DeviceNotFound(ResinError):
    """No such device: its name means nothing here, or none was found on the network."""

    code = "device-not-found"
    exit = Exit.NOT_FOUND


class ServiceNotFound(ResinError):
    """The device has no such container or service."""

    code = "service-not-found"
    exit = Exit.NOT_FOUND


class ImageNotFound(ResinError):
    """The engine has no such image, and its registry none that it may have."""

    code = "image-not-found"
    exit = Exit.NOT_FOUND


# 4: refused


class Refused(ResinError):
    """Refused for safety."""

    code = "refused"
    exit = Exit.REFUSED


class Declined(ResinError):
    """The user said no, or could not be asked."""

    code = "declined"
    exit = Exit.REFUSED


class HostKeyChanged(ResinError):
    """A device shows another SSH host key than the one that was pinned."""

    code = "host-key-changed"
    exit = Exit.REFUSED


# 5 to 130


class VerifyFailed(ResinError):
    """What was read back from the drive is not what was written."""

    code = "verify-failed"
    exit = Exit.VERIFY_FAILED


class Unreachable(ResinError):
    """A device, its engine or its SSH server does not answer as one; the fact `cause` says in which way."""

    code = "unreachable"
    exit = Exit.UNREACHABLE


class NotPermitted(ResinError):
    """The operating system does not let this user do it."""

    code = "not-permitted"
    exit = Exit.NOT_PERMITTED


class LoginRefused(ResinError):
    """The device's SSH server lets nobody in by what this user has to show."""

    code = "login-refused"
    exit = Exit.NOT_PERMITTED


class Interrupted(ResinError):
    """Stopped by the user; the message says what state things are in."""

    code = "interrupted"
    exit = Exit.INTERRUPTED


def from_os_error(error: OSError, subject: str | os.PathLike[str] | None = None) -> ResinError:
    """Turn an operating system error into the failure that a user can act on.

    `subject` names the file or drive where the error itself does not.
    """
    name = os.fsdecode(subject if subject is not None else error.filename or "")
    reason = (error.strerror or str(error)).lower()
    about = f"{name}: {reason}" if name else reason
    if isinstance(error, FileNotFoundError):
        if not error.filename and reason.startswith("no usable temporary"):
            return NotPermitted(
                f"None of the folders for temporary files can be written to: {_listed_in(str(error))}.",
                hint="Make room there, or name another folder, with TMPDIR=FOLDER.",
            )
        return PathNotFound(f"{name or 'a file'} does not exist.", hint="Check the spelling and the folder.")
    if isinstance(error, PermissionError):
        return NotPermitted(
            f"{about}.", hint="Use an account that may, or `sudo` with the full path of `resin`."
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpace(f"{about}.", hint="Make room, or choose another place for the output.")
    if isinstance(error, IsADirectoryError):
        return BadValue(f"{name} is a directory, not a file.", hint="Name the file itself.")
    if isinstance(error, NotADirectoryError):
        return PathNotFound(f"{about}.", hint="A part of this path is a file, not a directory.")
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST):
        return BadValue(f"{about}.", hint="Choose another name.")
    if error.errno in (errno.EBUSY, errno.ETXTBSY):
        return Refused(f"{about}.", hint="It is in use: unmount it, or end the program that holds it.")
    if error.errno == errno.EROFS:
        return Refused(f"{about}.", hint="It is read-only: check the card's lock switch, or make a copy.")
    if error.errno in (errno.ENXIO, errno.ENODEV, errno.ENOMEDIUM):
        return DriveNotFound(f"{about}.", hint="The drive was pulled out, or the reader is empty.")
    if error.errno in (errno.ENOMEM, errno.EMFILE, errno.ENFILE):
        return IoFailed(f"{about}.", hint="End other programs, or raise the limit, with ulimit.")
    return IoFailed(f"{about}.", hint="The medium or its connection may be bad: try again, then another one.")


def _listed_in(reason: str) -> str:
    """The folders that Python's tempfile lists as a Python list."""
    return reason.partition("[")[2].rpartition("]")[0].replace("'", "")
