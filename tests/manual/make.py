"""Write completions/resin.1, the manual page, from the help of the commands. `tests/regenerate` calls it."""

from __future__ import annotations

from datetime import date

from manual.page import PAGE, date_of, page


def main() -> bool:
    """Write the page if it differs, and return whether it did. A page with the same text keeps its date."""
    kept = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if kept and kept == page(date_of(kept)):
        return False
    PAGE.write_text(page(date.today().isoformat()), encoding="utf-8")
    return True
