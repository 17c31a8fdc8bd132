"""Each row of a guide's table of threats names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.tree import PACKAGE, ROOT

GUIDES = [
    path
    for path in sorted((ROOT / PACKAGE).rglob("README.md"))
    if "\n## Threats\n" in path.read_text("utf-8")
]
ROOMS = {path.parent.name for path in GUIDES}


def rows(guide: Path) -> list[str]:
    section = guide.read_text("utf-8").split("\n## Threats\n")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def test_the_doors_for_programs_have_a_table_of_threats() -> None:
    assert {"account_link_api", "external_account"} <= ROOMS


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.parent.name)
def test_each_threat_has_a_defence_and_a_test_that_is_there(guide: Path) -> None:
    assert len(rows(guide)) > 10
    for row in rows(guide):
        named = re.findall(r"`(tests/[\w/]+\.py)::(?:Test\w+::)?(\w+)`", row)
        assert named, row
        assert len([cell for cell in row.strip("|").split("|") if cell.strip()]) == 3, row
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text("utf-8"))
            assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, row
