"""The image half: bytes on a disk. Usable as a library, with no device and no screen in sight."""
