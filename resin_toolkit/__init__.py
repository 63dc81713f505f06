"""Running devices: discovery, SSH, engines, deployments and logs; and the base modules of all packages."""

__version__ = "0.1.0"
