"""What is known of a device: its record, address, type, and what earlier runs stored of it."""
