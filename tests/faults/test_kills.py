"""Processes killed at each place and started again: nothing is lost or doubled, and at most what was being
sent at a kill is repeated, once to each person. A short run of `python -m tests.faults`."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from bot_linking.delivery.worker import THREADS

from .__main__ import new_database, play
from .kills import PLACES, Place
from .rounds import Pace, Round

QUICK = Pace(lease_s=1, poll_s=0.05, people=3, batch=60)
ON_POSTGRES = {"K2", "K5", "K9", "K11b", "K11c", "K12", "K14", "K15", "K19"}
AT = {place.name: place for place in PLACES}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.name} {place.says}")
def test_a_kill_loses_nothing_and_doubles_nothing(place: Place) -> None:
    found = play(place, "sqlite", 2, "short", QUICK)
    assert (found.lost, found.doubled) == ([], [])
    assert found.repeated <= found.kills * THREADS


@pytest.mark.parametrize(
    "place",
    [each for each in PLACES if each.name in ON_POSTGRES],
    ids=lambda place: f"{place.name} {place.says}",
)
def test_a_kill_loses_nothing_and_doubles_nothing_with_postgresql(place: Place) -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    found = play(place, "postgres", 1, "short", QUICK)
    assert (found.lost, found.doubled) == ([], [])
    assert found.repeated <= found.kills * THREADS


@pytest.mark.parametrize("name", ["K0", "K2"])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_killed_worker_of_gunicorn_loses_nothing_and_doubles_nothing(kind: str, name: str) -> None:
    """The master, which made the app before it forked, starts another worker."""
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    if kind == "postgres":
        pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    found = play(AT[name], kind, 1, "preforked", replace(QUICK, is_preforked=True))
    assert found.kills
    assert (found.lost, found.doubled) == ([], [])
    assert found.repeated <= found.kills * THREADS


def test_a_bot_that_acknowledges_before_it_commits_would_be_found_out() -> None:
    with new_database("sqlite") as url:
        found = Round(url, AT["K3"], random.Random("later"), QUICK, broken="commits later").play()
    assert found.lost or found.doubled


def test_a_bot_that_says_it_twice_would_be_found_out() -> None:
    """In one of a few rounds, since a late second message may not be sent at all."""
    pace = replace(QUICK, quiet_s=4.0)
    for number in range(12):
        with new_database("sqlite") as url:
            round = Round(url, AT["K2"], random.Random(f"twice {number}"), pace, broken="says it twice")
            if round.play().doubled:
                return
    raise AssertionError("nobody noticed")
