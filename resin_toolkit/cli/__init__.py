"""The command line: entry point, table of commands, shared options and shell completion."""
