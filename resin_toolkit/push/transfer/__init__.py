"""Sending an image to a device: only the layers it lacks, and resuming interrupted transfers."""
