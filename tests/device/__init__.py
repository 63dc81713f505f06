"""A stand-in for a device on the desk's network: its real engine, SSH server and mDNS, in namespaces."""
