"""Checks of what lies in a boot partition: config.json, network profiles and proxy."""
