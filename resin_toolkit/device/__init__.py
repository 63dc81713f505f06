"""A device: its record, address, type and facts, and what earlier runs cached about it."""
