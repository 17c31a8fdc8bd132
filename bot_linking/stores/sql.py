"""Loads the named SQL of a room: its `statements.sql` and its numbered schema steps."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

STORES = "bot_linking.stores"
SQLITE_WORDS = {"bigint": "integer", "serial": "integer primary key autoincrement", "strict": " strict"}
PARAMETER = re.compile(r"(?<!:):([a-z_]+)\b")
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def rooms() -> dict[str, str]:
    """The packages of ours that have tables, by the name of their record of migrations."""
    found = {"bot_linking": STORES}
    for folder in files("bot_linking").iterdir():
        package = f"bot_linking.{folder.name}"
        if package != STORES and folder.joinpath("schema_0001.sql").is_file():
            found[f"bot_linking_{folder.name}"] = package
    return found


def load_statements(filename: str = "statements.sql", *, room: str = STORES) -> dict[str, str]:
    """Name to statement, from a file of the package `room`; empty where the room has no such file."""
    parts = _NAME.split(_texts(room).get(filename, ""))
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def load_schema(words: dict[str, str], *, room: str = STORES) -> dict[str, list[str]]:
    """Step name to its statements, in order. `words` are the dialect's own words for the placeholders."""
    steps: dict[str, list[str]] = {}
    for name, text in _texts(room).items():
        if name.startswith("schema_"):
            statements = text.format(**words).split(";\n")
            steps[name.removesuffix(".sql")] = [part.strip() for part in statements if part.strip()]
    return steps


@cache
def _texts(room: str) -> dict[str, str]:
    """The SQL files of a room by name, in order: read once, however many stores a process opens.

    The room itself is not imported: its package may need an extra that is not installed here.
    """
    folder = files("bot_linking").joinpath(*room.split(".")[1:])
    found = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return {path.name: path.read_text("utf-8") for path in found if path.name.endswith(".sql")}
