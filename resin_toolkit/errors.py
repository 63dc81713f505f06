"""The errors of all commands: each has a code for scripts, an exit code, a message and a hint.

The set is closed: a new kind of failure is a new class here. Errors of libraries are converted where they are
caught, and printed in one place, `resin_toolkit.terminal.report`.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """The exit codes of resin. Only `resin ssh` may exit with another one, that of the remote command."""

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
    """A warning: printed on stderr, or listed under `warnings` with --json. The command continues."""

    code: str
    message: str


class ResinError(Exception):
    """A failure that the user can act on.

    `message` is one sentence that names the subject and the reason; `hint` says what to do.
    `facts` are details for callers that use the library.
    """

    code: ClassVar[str] = "failed"
    exit: ClassVar[Exit] = Exit.FAILED

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts
        self.partial: object = None
        """The result of what was completed before the failure, printed with it; None if there is none."""


# 1: failed


class InternalError(ResinError):
    """A bug in resin; --debug prints the traceback."""

    code = "internal"


class ImageDamaged(ResinError):
    """An image or archive is inconsistent, truncated, or fails its own checksum."""

    code = "image-damaged"


class NotAnImage(ResinError):
    """No partition table and no file system was recognised."""

    code = "not-an-image"


class FileSystemDamaged(ResinError):
    """The structures of a file system are inconsistent. Nothing was written to it."""

    code = "filesystem-damaged"


class NoSpace(ResinError):
    """There is not enough space. Nothing was written."""

    code = "no-space"


class ConfigInvalid(ResinError):
    """A configuration file cannot be parsed, or the requested change would make it invalid."""

    code = "config-invalid"


class StateDamaged(ResinError):
    """A file in the state directory that protects the user, such as the stored host keys, cannot be read."""

    code = "state-damaged"


class IoFailed(ResinError):
    """The operating system or the drive reported an error while reading or writing."""

    code = "io-error"


class EngineFailed(ResinError):
    """The device's engine refused or failed a request; the message is the engine's."""

    code = "engine-failed"


class BuildFailed(ResinError):
    """An image could not be built; the message is the engine's."""

    code = "build-failed"


class PushFailed(ResinError):
    """A deployment failed; the old containers were restored, unless the message says otherwise."""

    code = "push-failed"


class NotSupported(ResinError):
    """The device's operating system, or the emulator, does not support the operation."""

    code = "not-supported"


class EmulatorFailed(ResinError):
    """QEMU did not start, or exited with an error; the message is QEMU's."""

    code = "emulator-failed"


# 2: wrong usage


class Usage(ResinError):
    """The command line is invalid."""

    code = "usage"
    exit = Exit.USAGE


class BadValue(ResinError):
    """A value is invalid: a host name with a space, a passphrase of four characters."""

    code = "bad-value"
    exit = Exit.USAGE


class ComposeInvalid(ResinError):
    """A compose file violates the specification, or uses a feature that is not supported on devices.

    The message has one line for each problem, with file and line; the fact `problems` lists them.
    """

    code = "compose-invalid"
    exit = Exit.USAGE


class PartitionAmbiguous(ResinError):
    """Several partitions match."""

    code = "partition-ambiguous"
    exit = Exit.USAGE


class DeviceAmbiguous(ResinError):
    """Several devices or applications match, and prompts are not possible."""

    code = "device-ambiguous"
    exit = Exit.USAGE


# 3: not found


class PathNotFound(ResinError):
    """A file or directory does not exist, on this machine or in an image."""

    code = "file-not-found"
    exit = Exit.NOT_FOUND


class ProgramNotFound(ResinError):
    """An external program that the command needs is not installed."""

    code = "program-not-found"
    exit = Exit.NOT_FOUND


class PartitionNotFound(ResinError):
    """The image has no such partition, or none that holds what is needed."""

    code = "partition-not-found"
    exit = Exit.NOT_FOUND


class DriveNotFound(ResinError):
    """There is no such drive, or it was unplugged."""

    code = "drive-not-found"
    exit = Exit.NOT_FOUND


class DeviceNotFound(ResinError):
    """The name of the device cannot be resolved, or no device was found on the network."""

    code = "device-not-found"
    exit = Exit.NOT_FOUND


class ServiceNotFound(ResinError):
    """The device has no such container or service."""

    code = "service-not-found"
    exit = Exit.NOT_FOUND


class ImageNotFound(ResinError):
    """The engine does not have the image and cannot pull it."""

    code = "image-not-found"
    exit = Exit.NOT_FOUND


# 4: refused


class Refused(ResinError):
    """The operation was refused for safety."""

    code = "refused"
    exit = Exit.REFUSED


class MemoryLimitExceeded(ResinError):
    """Decompressing a file needs more memory than `--memory-limit` allows."""

    code = "memory-limit"
    exit = Exit.REFUSED


class Declined(ResinError):
    """The user declined, or a prompt was not possible."""

    code = "declined"
    exit = Exit.REFUSED


class NotTrusted(ResinError):
    """A project names a device, or uses files or variables, that the user has not allowed."""

    code = "not-trusted"
    exit = Exit.REFUSED


class HostKeyInvalid(ResinError):
    """An SSH server did not prove that it has the host key that it presents."""

    code = "host-key-invalid"
    exit = Exit.REFUSED


class HostKeyChanged(ResinError):
    """A device presents another SSH host key than the one stored for it, or required by --host-key."""

    code = "host-key-changed"
    exit = Exit.REFUSED


class HostKeyUnverified(ResinError):
    """The SSH host key of a device cannot be verified before its unencrypted engine is used."""

    code = "host-key-unverified"
    exit = Exit.REFUSED


# 5 to 130


class VerifyFailed(ResinError):
    """The contents of a drive differ from what was written."""

    code = "verify-failed"
    exit = Exit.VERIFY_FAILED


class Unreachable(ResinError):
    """A device, its engine or its SSH server does not respond as expected; the fact `cause` says how."""

    code = "unreachable"
    exit = Exit.UNREACHABLE


class NotPermitted(ResinError):
    """The user lacks a permission of the operating system."""

    code = "not-permitted"
    exit = Exit.NOT_PERMITTED


class LoginRefused(ResinError):
    """The device's SSH server rejects the user's keys and passwords."""

    code = "login-refused"
    exit = Exit.NOT_PERMITTED


class Interrupted(ResinError):
    """The user stopped the command; the message says in which state things were left."""

    code = "interrupted"
    exit = Exit.INTERRUPTED


def error_class(code: str) -> type[ResinError]:
    """Return the class of errors with this code, or InternalError for an unknown code."""
    classes = [ResinError]
    for each in classes:
        classes += each.__subclasses__()
    return next((each for each in classes if each.code == code), InternalError)


def os_reason(error: OSError) -> str:
    """Why an operation of the operating system failed, as a clause."""
    return (error.strerror or str(error)).lower()


def from_os_error(error: OSError, subject: str | os.PathLike[str] | None = None) -> ResinError:
    """Convert an error of the operating system into a ResinError.

    `subject` names the file or drive, if the error itself does not.
    """
    name = os.fsdecode(subject if subject is not None else error.filename or "")
    reason = os_reason(error)
    about = f"{name}: {reason}" if name else reason
    if isinstance(error, FileNotFoundError):
        if not error.filename and reason.startswith("no usable temporary"):
            return NotPermitted(
                f"No directory for temporary files is writable: {_candidates(str(error))}.",
                hint="Free up space there, or set TMPDIR to another directory.",
            )
        return PathNotFound(f"{name or 'A file'} does not exist.", hint="Check the path.")
    if isinstance(error, PermissionError):
        return NotPermitted(
            f"{about}.", hint="Use an account with permission, or `sudo` with the full path of `resin`."
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpace(f"{about}.", hint="Free up space, or write the output somewhere else.")
    if isinstance(error, IsADirectoryError):
        return BadValue(f"{name} is a directory, not a file.", hint="Pass the path of a file.")
    if isinstance(error, NotADirectoryError):
        return PathNotFound(f"{about}.", hint="Part of this path is a file, not a directory.")
    if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST):
        return BadValue(f"{about}.", hint="Choose another name.")
    if error.errno in (errno.EBUSY, errno.ETXTBSY):
        return Refused(f"{about}.", hint="It is in use. Unmount it, or close the program that uses it.")
    if error.errno == errno.EROFS:
        return Refused(f"{about}.", hint="It is read-only. Check the card's lock switch, or use a copy.")
    if error.errno in (errno.ENXIO, errno.ENODEV, errno.ENOMEDIUM):
        return DriveNotFound(f"{about}.", hint="The drive was unplugged, or the card reader is empty.")
    if error.errno in (errno.ENOMEM, errno.EMFILE, errno.ENFILE):
        return IoFailed(f"{about}.", hint="Close other programs, or raise the limit with ulimit.")
    return IoFailed(
        f"{about}.", hint="The drive or its connection may be faulty. Try again, then try another one."
    )


def _candidates(reason: str) -> str:
    """The directories in the message of Python's tempfile, which prints a list."""
    return reason.partition("[")[2].rpartition("]")[0].replace("'", "")
