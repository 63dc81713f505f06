"""`resin configure`."""
