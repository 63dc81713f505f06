"""A project folder: its settings, Dockerfile and build context, and the services to run on a device."""
