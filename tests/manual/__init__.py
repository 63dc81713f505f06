"""The manual page `resin.1`: made of what the commands say of themselves, and of `sections.roff`."""
