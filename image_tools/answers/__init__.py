"""A file of answers: everything that configures an image, as TOML, for `resin configure --from FILE`.

Secrets are in it by reference only, to a file or to an environment variable.
"""

from image_tools.answers.merging import merged
from image_tools.answers.model import (
    Answers,
    CellularAnswers,
    EthernetAnswers,
    HotspotAnswers,
    ProxyAnswers,
    SecretReference,
    WifiAnswers,
)
from image_tools.answers.reading import read_answers
from image_tools.answers.schema import AnswerRow, answers_table, markdown_table
from image_tools.answers.writing import write_answers

__all__ = [
    "AnswerRow",
    "Answers",
    "CellularAnswers",
    "EthernetAnswers",
    "HotspotAnswers",
    "ProxyAnswers",
    "SecretReference",
    "WifiAnswers",
    "answers_table",
    "markdown_table",
    "merged",
    "read_answers",
    "write_answers",
]
