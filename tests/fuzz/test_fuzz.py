"""Two thousand junk bodies at each door: no answer is a 5xx."""

from __future__ import annotations

import pytest

from .doors import DOORS
from .run import run


@pytest.mark.timeout(900)  # seconds, on a busy machine
def test_no_junk_ends_in_an_answer_of_5xx() -> None:
    counts = run(sorted(DOORS), 2000)
    assert set(counts) == set(DOORS)
    for door, answers in counts.items():
        assert answers.total() >= 1900, door  # Hypothesis knows when two are the same
        assert len(answers) > 1, f"{door}: some of it is read"
