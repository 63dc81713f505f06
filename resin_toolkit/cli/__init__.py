"""The command line itself: the entry point, the table of commands, and shell completion."""
