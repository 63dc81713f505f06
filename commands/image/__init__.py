"""`resin image`."""
