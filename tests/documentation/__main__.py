"""Write the generated parts of the documentation, the manual page and, with --recording, the recording."""

from __future__ import annotations

import sys

from manual import make as manual_page

from documentation.blocks import CHECKOUT, pages, regenerated


def main(arguments: list[str]) -> None:
    """Write what differs, and say which files that were."""
    for path in pages():
        text = path.read_text(encoding="utf-8")
        current = regenerated(text)
        if current != text:
            path.write_text(current, encoding="utf-8")
            print(f"regenerated {path.relative_to(CHECKOUT)}")
    if manual_page.main():
        print(f"regenerated {manual_page.PAGE.relative_to(CHECKOUT)}")
    if "--recording" in arguments:
        from recording import make as film

        film.main()


main(sys.argv[1:])
