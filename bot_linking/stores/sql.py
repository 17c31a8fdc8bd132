"""Loads the named SQL of a room: its `statements.sql` and its numbered schema steps."""

from __future__ import annotations

import re
from importlib.resources import files

STORES = "bot_linking.stores"
PARAMETER = re.compile(r"(?<!:):([a-z_]+)\b")
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def rooms() -> dict[str, str]:
    """Every package of ours that has tables, by the name of its record of migrations."""
    found = {"bot_linking": STORES}
    for folder in files("bot_linking").iterdir():
        package = f"bot_linking.{folder.name}"
        if package != STORES and folder.joinpath("schema_0001.sql").is_file():
            found[f"bot_linking_{folder.name}"] = package
    return found


def load_statements(filename: str = "statements.sql", *, room: str = STORES) -> dict[str, str]:
    """Name to statement. `room` is the package that the file lies in."""
    parts = _NAME.split(files(room).joinpath(filename).read_text("utf-8"))
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def load_schema(words: dict[str, str], *, room: str = STORES) -> dict[str, list[str]]:
    """Step name to its statements, in order, with the dialect's few words put in."""
    steps: dict[str, list[str]] = {}
    for path in sorted(files(room).iterdir(), key=lambda entry: entry.name):
        if path.name.startswith("schema_"):
            text = path.read_text("utf-8").format(**words)
            steps[path.name.removesuffix(".sql")] = [
                part.strip() for part in text.split(";\n") if part.strip()
            ]
    return steps
