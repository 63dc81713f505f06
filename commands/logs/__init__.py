"""`resin logs`."""
