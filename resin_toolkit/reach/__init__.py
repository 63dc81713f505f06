"""Finding a device again and talking to it: names, identity, facts, reboot, reset, serial line."""
