from __future__ import annotations

import re
from pathlib import Path

from image_tools.config import markdown_table

README = Path(__file__).parent.parent / "README.md"


def test_the_table_of_keys_is_the_one_that_the_checker_uses() -> None:
    found = re.search(r"<!-- keys -->\n(.*?)<!-- end of keys -->", README.read_text(), re.DOTALL)
    assert found is not None
    assert found[1] == markdown_table()
