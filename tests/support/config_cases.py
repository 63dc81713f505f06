"""Any config.json, and what its tests share."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

from image_tools import config
from image_tools.config import Config

SECRET = "Marked-S3cret"
ED25519 = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))).decode()

numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | st.text(max_size=8)
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from([key.name for key in config.KEYS]) | st.text("ab.", min_size=1, max_size=6)
configs: st.SearchStrategy[Config] = st.dictionaries(
    st.sampled_from(["hostname", "os", "deviceApiKey", "x", "a", "a.b"]) | st.text(max_size=5),
    json_values,
    max_size=6,
)


def codes(notices: list[Any]) -> list[str]:
    return [notice.code for notice in notices]
