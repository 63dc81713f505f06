"""The faults of each command, each caused for real; the reliability table is made of them."""
