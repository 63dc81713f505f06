"""`resin emulate`."""
