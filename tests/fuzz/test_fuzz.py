"""Two thousand pieces of junk at each door: none ends in an answer of 5xx."""

from __future__ import annotations

import pytest

from .doors import DOORS
from .run import run


@pytest.mark.parametrize("door", sorted(DOORS))
def test_no_junk_ends_in_an_answer_of_5xx(door: str) -> None:
    counts = run(door, 2000)
    assert counts.total() >= 1000
    assert len(counts) > 1, "some of it is read"
