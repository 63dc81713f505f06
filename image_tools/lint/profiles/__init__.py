"""A linter for NetworkManager keyfiles."""
