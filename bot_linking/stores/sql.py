"""Loads the named SQL of a room: its `statements.sql` and its numbered schema steps."""

from __future__ import annotations

import re
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
    """Name to statement, from a file of the package `room`."""
    parts = _NAME.split(files(room).joinpath(filename).read_text("utf-8"))
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def load_schema(words: dict[str, str], *, room: str = STORES) -> dict[str, list[str]]:
    """Step name to its statements, in order. `words` are the dialect's own words for the placeholders."""
    steps: dict[str, list[str]] = {}
    for path in sorted(files(room).iterdir(), key=lambda entry: entry.name):
        if path.name.startswith("schema_"):
            text = path.read_text("utf-8").format(**words)
            steps[path.name.removesuffix(".sql")] = [
                part.strip() for part in text.split(";\n") if part.strip()
            ]
    return steps
