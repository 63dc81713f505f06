"""Checks of this machine for `resin doctor`; each returns one finding."""
