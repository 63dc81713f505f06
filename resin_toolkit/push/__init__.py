"""Bringing an application to a device: its images, and the change from its old containers to the new."""
