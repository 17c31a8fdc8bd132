"""Of sixteen that want the same thing at the same moment one gets it, and the database says the same."""

from __future__ import annotations

import pytest

from tests.stores.conftest import url as url

from .racing import RACES
from .rounds import race

ROUNDS = 20


@pytest.mark.parametrize("name", RACES)
def test_one_of_sixteen_wins_each_round(name: str, url: str) -> None:
    outcome = race(name, url, ROUNDS)
    assert (outcome.rounds, outcome.wrong) == (ROUNDS, [])
