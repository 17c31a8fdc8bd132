"""The guides' tables that are made from the code. `python -m tests.house.guides` writes them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import bot_linking
from bot_linking import BotLinkingError, signals
from bot_linking.config import reading
from tests.house.tree import ROOT


def settings_table() -> str:
    """Every setting: its key, its default, its meaning."""
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for key, default, meaning in reading.table():
        rows.append(f"| `{key}` | {_shown(default)} | {meaning} |")
    return "\n".join(rows) + "\n"


def _shown(default: Any) -> str:
    if default is MISSING or default in (None, (), ""):
        return ""
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def signals_table() -> str:
    """Every signal, and what its event says of itself."""
    rows = ["| signal | event | when |", "| --- | --- | --- |"]
    for event, signal in signals._BY_EVENT.items():
        rows.append(f"| `{signal.name.replace('-', '_')}` | `{event.__name__}` | {_sentence(event)} |")
    return "\n".join(rows) + "\n"


def errors_table() -> str:
    """Every error that the package hands out, with its slug."""
    rows = ["| error | slug | when |", "| --- | --- | --- |"]
    for name in bot_linking.__all__:
        error = getattr(bot_linking, name)
        if isinstance(error, type) and issubclass(error, BotLinkingError):
            rows.append(f"| `{name}` | `{error.slug}` | {_sentence(error)} |")
    return "\n".join(rows) + "\n"


def _sentence(documented: type) -> str:
    """The first sentence of a docstring, on one line."""
    text = " ".join((documented.__doc__ or "").split())
    return text.partition(". ")[0].removesuffix(".") + "."


TABLES: dict[tuple[Path, str], Callable[[], str]] = {
    (ROOT / "bot_linking" / "config" / "README.md", "settings"): settings_table,
    (ROOT / "bot_linking" / "config" / "README.md", "signals"): signals_table,
    (ROOT / "bot_linking" / "config" / "README.md", "errors"): errors_table,
}


def between(guide: Path, mark: str) -> str:
    """The text between `<!-- mark -->` and the next `<!-- end -->`."""
    return guide.read_text("utf-8").split(f"<!-- {mark} -->\n")[1].split("<!-- end -->")[0]


def write() -> None:
    """Write the tables into the guides."""
    for (guide, mark), table in TABLES.items():
        before, _, rest = guide.read_text("utf-8").partition(f"<!-- {mark} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        guide.write_text(f"{before}<!-- {mark} -->\n{table()}{end}{after}", "utf-8")


if __name__ == "__main__":
    write()
