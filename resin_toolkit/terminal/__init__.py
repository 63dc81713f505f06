"""What a user sees and types: reports, progress bars, tables, and an attached remote terminal."""
