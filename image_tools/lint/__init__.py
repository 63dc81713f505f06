"""Linters for the boot partition: config.json, network profiles and proxy."""
