"""What the guides show of the code: tables made from it. `python -m tests.house.guides` writes them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from bot_linking.config import reading
from tests.house.tree import ROOT


def settings_table() -> str:
    """Every setting: its key, its default, its meaning."""
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for key, default, meaning in reading.table():
        rows.append(f"| `{key}` | {_shown(default)} | {meaning} |")
    return "\n".join(rows) + "\n"


def _shown(default: Any) -> str:
    if default is MISSING or default in (None, ()):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


TABLES: dict[tuple[Path, str], Callable[[], str]] = {
    (ROOT / "bot_linking" / "config" / "README.md", "settings"): settings_table,
}


def between(guide: Path, mark: str) -> str:
    """What stands between `<!-- mark -->` and the next `<!-- end -->`."""
    return guide.read_text("utf-8").split(f"<!-- {mark} -->\n")[1].split("<!-- end -->")[0]


def write() -> None:
    """Put the tables of today into the guides."""
    for (guide, mark), table in TABLES.items():
        before, _, rest = guide.read_text("utf-8").partition(f"<!-- {mark} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        guide.write_text(f"{before}<!-- {mark} -->\n{table()}{end}{after}", "utf-8")


if __name__ == "__main__":
    write()
