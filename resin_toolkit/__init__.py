"""Running devices: discovery, SSH, engines, deployments and logs; and what all packages share."""

__version__ = "0.1.0"
