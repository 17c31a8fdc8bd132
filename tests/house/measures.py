"""Measures of the source: lengths, classes, circles of imports, words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import PACKAGE, ROOT, arrows, files, module_of

PSEUDONYMS = re.compile(r"(?i)\b(?:whoever|nobody|somebody|whatever|none of|has had its day|by itself)\b")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def long_modules(top: str = PACKAGE, *, most: int = 400) -> set[str]:
    """Modules with more lines than that."""
    return {module_of(path) for path in files(top) if len(path.read_text("utf-8").splitlines()) > most}


def long_functions(top: str = PACKAGE, *, most: int = 60) -> set[str]:
    """Functions with more lines, from `def` to the last one, docstring and nested functions included."""
    return {
        f"{module_of(path)}:{node.name}"
        for path in files(top)
        for node in ast.walk(tree_of(path))
        if isinstance(node, Function) and (node.end_lineno or 0) - node.lineno + 1 > most
    }


def large_classes(top: str = PACKAGE, *, most: int = 30) -> set[str]:
    """Classes with more methods of their own. Of `AccountLinking` only private ones count."""
    return {
        node.name
        for path in files(top)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and sum(_counts(node, each) for each in node.body) > most
    }


def _counts(owner: ast.ClassDef, member: ast.stmt) -> bool:
    if not isinstance(member, Function):
        return False
    return owner.name != "AccountLinking" or member.name.startswith("_")


def circles(top: str = PACKAGE) -> set[str]:
    """Modules that import each other in a circle, by every import statement."""
    known = {module_of(path) for path in files(top)}
    leads: dict[str, set[str]] = {module: set() for module in known}
    for arrow in arrows(top):
        if arrow.target in known and arrow.target != arrow.source:
            leads[arrow.source].add(arrow.target)
    while True:
        ends = {module for module, targets in leads.items() if not targets}
        tops = leads.keys() - {target for targets in leads.values() for target in targets}
        if not ends | tops:
            return set(leads)
        leads = {
            module: targets - ends - tops for module, targets in leads.items() if module not in ends | tops
        }


def pseudonyms(top: str = PACKAGE) -> list[str]:
    """Docstrings and comments with a word that names no one: file, line, word."""
    found = list[str]()
    for path in files(top):
        text = path.read_text("utf-8")
        for line, words in _prose(text):
            found += [f"{path.relative_to(ROOT)}:{line} {each}" for each in PSEUDONYMS.findall(words)]
    return found


def _prose(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # of a name, too
            yield node.lineno, str(node.value.value)
    for number, line in enumerate(text.splitlines(), 1):
        if "#" in line:
            yield number, line.partition("#")[2]
