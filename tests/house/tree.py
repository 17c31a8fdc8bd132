"""The package by its source: modules, rooms, and who imports whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "bot_linking"


@dataclass(frozen=True)
class Arrow:
    """One import of a module by a module, and whether it is for the type checker only."""

    source: str
    target: str
    for_types_only: bool

    @property
    def rooms(self) -> tuple[str, str]:
        return room_of(self.source), room_of(self.target)


def room_of(module: str) -> str:
    """The room of a module: the second part of its name, or the whole name of another package."""
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 else parts[0]


def files(top: str = PACKAGE) -> list[Path]:
    return sorted((ROOT / top).rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


@cache
def arrows(top: str = PACKAGE) -> tuple[Arrow, ...]:
    return tuple(arrow for path in files(top) for arrow in _arrows_of(path))


def _arrows_of(path: Path) -> Iterator[Arrow]:
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If)
        and isinstance(branch.test, ast.Name)
        and branch.test.id == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        for target in _targets(node, path):
            yield Arrow(module_of(path), target, id(node) in typing_only)


def _targets(node: ast.AST, path: Path) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    package = path.relative_to(ROOT).parent.parts
    base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
    module = ".".join(filter(None, [base, node.module or ""]))
    if module == PACKAGE:  # from bot_linking import signals, AccountLinking
        modules = [alias.name for alias in node.names if (ROOT / PACKAGE / f"{alias.name}.py").exists()]
        return [f"{PACKAGE}.{name}" for name in modules] or [f"{PACKAGE}.__init__"]
    folder = ROOT.joinpath(*module.split("."))
    inner = [f"{module}.{alias.name}" for alias in node.names if _is_module(folder / alias.name)]
    return inner if len(inner) == len(node.names) else [module, *inner]


def _is_module(path: Path) -> bool:
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()
