"""Compose files, read into the records of `resin_toolkit.project.application`."""

from resin_toolkit.compose.configuration import configuration_of
from resin_toolkit.compose.loading import find, load

__all__ = ["configuration_of", "find", "load"]
