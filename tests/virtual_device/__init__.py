"""A virtual device: an operating system with the layout and services of resinOS, in QEMU on the desk."""
