"""Devices that were seen lately, and their services, as resin keeps them."""

from __future__ import annotations

DEVICES = {
    "kitchen.local": {"addresses": ["192.168.1.7"], "at": "2026-11-04T00:00:00+00:00"},
    "garden.local": {"addresses": ["192.168.1.8"], "at": "2026-11-03T00:00:00+00:00"},
    "fe80::1%eth0": {"addresses": ["fe80::1%eth0"], "at": "2026-11-02T00:00:00+00:00"},
    "2001:db8::7": {"addresses": ["2001:db8::7"], "at": "2026-11-01T00:00:00+00:00"},
    "$(touch owned).local": {"addresses": [], "at": "2026-11-05T00:00:00+00:00"},
    "a b\\$(touch owned)`touch owned`": {"addresses": [], "at": "2026-11-05T00:00:00+00:00"},
}
SERVICES = {
    "garden.local": {"services": ["radio"], "at": "2026-11-01T00:00:00+00:00"},
    "kitchen.local": {"services": ["web", "database", "$(touch owned)"], "at": "2026-11-04T00:00:00+00:00"},
}
