"""`resin flash`."""
