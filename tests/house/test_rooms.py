"""Each room says at its door what it is, where to begin reading, and how to add the commonest thing."""

from __future__ import annotations

import ast

import pytest

from tests.house.measures import tree_of
from tests.house.tree import PACKAGE, ROOT

ROOMS = {path.parent.name: path for path in sorted((ROOT / PACKAGE).glob("*/__init__.py"))}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_where_to_begin_and_how_to_add_the_commonest_thing(room: str) -> None:
    said = ast.get_docstring(tree_of(ROOMS[room])) or ""
    words = " ".join(said.split())
    assert " Begin with `" in words
    assert " To add " in words
