"""Carrying out a push: images, networks, volumes and containers."""
