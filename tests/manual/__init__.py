"""The manual page `resin.1`: made of what the verbs say of themselves, and of `sections.roff`."""
