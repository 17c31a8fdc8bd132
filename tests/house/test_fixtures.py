"""The tests' layout: `conftest.py` holds fixtures alone, and both APIs inherit one set of cases."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.measures import Function, tree_of
from tests.house.tree import ROOT

TESTS = ROOT / "tests"
CONFTESTS = sorted(TESTS.rglob("conftest.py"))
DOORS = ("account_link_api", "external_account")
CASES = ("good_key_nothing", "altered", "rotation", "too_large", "no_json", "sent_twice")


def _is_fixture(node: ast.stmt) -> bool:
    marks = node.decorator_list if isinstance(node, Function) else []
    return any(ast.unparse(mark).startswith("pytest.fixture") for mark in marks)


def _belongs(node: ast.stmt) -> bool:
    """Whether a statement is a docstring, an import, a fixture, or pytest's own list of plugins."""
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "pytest_plugins"
    is_import = isinstance(node, ast.Import | ast.ImportFrom | ast.If)
    return is_import or isinstance(node, ast.Expr) or _is_fixture(node)


@pytest.mark.parametrize("path", CONFTESTS, ids=lambda path: path.parent.name)
def test_a_conftest_holds_fixtures_only(path: Path) -> None:
    assert [ast.unparse(node)[:80] for node in tree_of(path).body if not _belongs(node)] == []


def _classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in tree_of(path).body if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("room", DOORS)
def test_both_doors_of_sites_inherit_one_set_of_cases(room: str) -> None:
    """No key and a wrong one, altered, rotated, too large, not JSON, sent twice."""
    door = TESTS / room / "test_door.py"
    assert any("Cases" in map(ast.unparse, each.bases) for each in _classes(door))
    assert "from tests.doors.cases import" in door.read_text("utf-8")
    (cases,) = [each for each in _classes(TESTS / "doors" / "cases.py") if each.name == "Cases"]
    names = [each.name for each in cases.body if isinstance(each, Function)]
    for case in CASES:
        assert any(case in name for name in names), case
