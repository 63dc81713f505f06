"""Sending an image to a device: only the layers that it lacks, in parts, so that a cut is gone on from."""
