"""A virtual device: QEMU runs a system with the layout and services of resinOS."""
