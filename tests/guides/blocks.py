"""The fences of the guides: commands, code, and what is only shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.house.tree import PACKAGE, ROOT

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


def guide_of(room: str) -> Path:
    return ROOT / PACKAGE / room / "README.md"


def snippet(room: str, name: str) -> str:
    """The code under `<!-- snippet: name -->`."""
    (found,) = (each.text for each in blocks_of(guide_of(room)) if each.mark == f"snippet: {name}")
    return found


def commands_of(room: str) -> list[str]:
    """The command lines of a guide, in order; a line that ends with a backslash goes on in the next."""
    text = "".join(each.text for each in blocks_of(guide_of(room)) if each.language == "sh")
    return text.replace("\\\n", " ").splitlines()


def readme_bot() -> str:
    """The bot of the top README."""
    text = (ROOT / "README.md").read_text("utf-8")
    code: list[str] = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    return next(each for each in code if "(authenticate" in each)
