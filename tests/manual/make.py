"""Write completions/resin.1 anew from what the verbs say of themselves:

    .venv/bin/python tests/manual/make.py

A page that says the same keeps its date.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from manual.page import PAGE, date_of, page


def main() -> None:
    """Write the page where it differs."""
    kept = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if not kept or kept != page(date_of(kept)):
        PAGE.write_text(page(date.today().isoformat()), encoding="utf-8")


if __name__ == "__main__":
    main()
