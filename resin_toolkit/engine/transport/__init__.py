"""HTTP to a Docker engine, over TCP, a Unix socket or SSH."""
