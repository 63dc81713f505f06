"""`resin push`."""
