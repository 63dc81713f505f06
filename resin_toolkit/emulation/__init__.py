"""Emulate a device in QEMU: choose the machine, start it, follow it and shut it down."""
