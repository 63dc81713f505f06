"""The device half of `resin`, and the ground that both halves stand on."""

__version__ = "0.1.0"
