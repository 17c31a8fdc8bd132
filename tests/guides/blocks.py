"""The fences of the guides: commands, code, and what is only shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.house.tree import PACKAGE, ROOT

README = ROOT / "README.md"
GUIDES = sorted((ROOT / PACKAGE).glob("*/README.md"))
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)


class Block(NamedTuple):
    """A fence of a guide: its language, the mark on the line above, and its text."""

    guide: str
    language: str
    mark: str
    text: str


def blocks_of(guide: Path) -> list[Block]:
    """Every fence of a guide, in order."""
    found = _BLOCK.finditer(guide.read_text("utf-8"))
    name = guide.parent.name
    return [Block(name, each["language"], each["mark"] or "", each["text"]) for each in found]


def texts_of(guide: Path, *, language: str = "python") -> list[str]:
    """The fences of a guide that are in this language, in order."""
    return [each.text for each in blocks_of(guide) if each.language == language]


def guide_of(room: str) -> Path:
    return ROOT / PACKAGE / room / "README.md"


def snippet(room: str, name: str) -> str:
    """The code under `<!-- snippet: name -->`."""
    (found,) = (each.text for each in blocks_of(guide_of(room)) if each.mark == f"snippet: {name}")
    return found


def commands_of(room: str) -> list[str]:
    """The command lines of a guide, in order; a line that ends with a backslash goes on in the next."""
    return "".join(texts_of(guide_of(room), language="sh")).replace("\\\n", " ").splitlines()


def readme_bot() -> str:
    """The bot of the top README."""
    return next(each for each in texts_of(README) if "(authenticate" in each)
