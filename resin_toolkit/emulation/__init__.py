"""A board on the desk that is none: QEMU, told what to emulate, started, watched and switched off."""
