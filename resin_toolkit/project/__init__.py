"""A project on the workstation: what builds, what is sent for it, and what is to run on the device."""
