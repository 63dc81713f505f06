"""Discovering devices on the local network by multicast DNS (RFC 6762, 6763)."""
