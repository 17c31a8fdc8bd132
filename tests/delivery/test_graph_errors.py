"""What the outbox does with each of Graph's errors: the table of the protocol, row by row."""

from __future__ import annotations

import pytest

from bot_linking.messenger.graph import GraphError, advice_for

LATER, NEVER, TOKEN = "later", "never", "token"

TABLE: list[tuple[str, int | None, int | None, str, bool]] = [
    # meaning, code, subcode, advice, whether the whole page waits
    ("unknown", 1, None, LATER, False),
    ("unknown, 99", 1, 99, LATER, False),
    ("service, temporary", 2, None, LATER, False),
    ("app request limit", 4, None, LATER, True),
    ("user limit", 17, None, LATER, True),
    ("pages limit", 32, None, LATER, True),
    ("custom limit", 613, None, LATER, True),
    ("inconsistent request volume", 613, 1996, LATER, True),
    ("page limit", 80001, None, LATER, True),
    ("Messenger limit", 80006, None, LATER, True),
    ("app limit", 341, None, LATER, True),
    ("blocked for policy", 368, None, NEVER, False),
    ("no permission", 10, None, NEVER, False),
    ("outside the window", 10, 2018278, NEVER, False),
    ("outside the window, news", 10, 2018065, NEVER, False),
    ("outside the window, other form", 10, 2534022, NEVER, False),
    ("person cannot receive", 10, 2018108, NEVER, False),
    ("page restricted from sending", 10, 1893063, NEVER, False),
    ("thread under regional rules", 10, 2018336, NEVER, False),
    ("bad parameter", 100, None, NEVER, False),
    ("object not visible", 100, 33, NEVER, False),
    ("no matching user", 100, 2018001, NEVER, False),
    ("message and sender_action together", 100, 2018014, NEVER, False),
    ("other app controls the thread", 100, 2534037, LATER, False),
    ("other app controls the thread", 100, 2018300, LATER, False),
    ("automated flow controls the thread", 100, 2018321, LATER, False),
    ("token unusable", 190, None, TOKEN, True),
    ("token: app not installed", 190, 458, TOKEN, True),
    ("token: checkpoint", 190, 459, TOKEN, True),
    ("token: password changed", 190, 460, TOKEN, True),
    ("token: expired", 190, 463, TOKEN, True),
    ("token: invalid", 190, 467, TOKEN, True),
    ("not approved", 200, None, NEVER, False),
    ("person has no app role", 200, 2018028, NEVER, False),
    ("permission missing", 230, None, NEVER, False),
    ("permission missing", 299, None, NEVER, False),
    ("person not available", 551, None, NEVER, False),
    ("person not available", 551, 1545041, NEVER, False),
    ("person not available, other locale", 200, 1545041, NEVER, False),
    ("temporary send failure", 1200, None, LATER, False),
    ("no profile", 100, 2018218, NEVER, False),
    ("no profile permission", 100, 2018247, NEVER, False),
    ("invalid account_linking_token", 10303, None, NEVER, False),
    ("unheard of", 424242, None, NEVER, False),
    ("unheard of", None, None, NEVER, False),
]


@pytest.mark.parametrize(("meaning", "code", "subcode", "advice", "whole_page"), TABLE)
def test_an_error_of_the_table_is_handled_as_the_table_says(
    meaning: str, code: int | None, subcode: int | None, advice: str, whole_page: bool
) -> None:
    error = GraphError(meaning, status=400, code=code, subcode=subcode)
    assert (error.advice, error.whole_page, error.transient) == (advice, whole_page, advice == LATER)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_a_server_error_is_tried_again(status: int) -> None:
    assert advice_for(status, None, None, False) == LATER


def test_no_answer_at_all_is_tried_again_and_pauses_nobody_else() -> None:
    error = GraphError("a timeout")
    assert (error.advice, error.whole_page) == (LATER, False)


def test_too_many_requests_pauses_the_page_whatever_the_body_says() -> None:
    error = GraphError("slow down", status=429)
    assert (error.advice, error.whole_page) == (LATER, True)


@pytest.mark.parametrize("code", [4, 100, 368, 424242, None])
def test_what_graph_calls_transient_is_tried_again(code: int | None) -> None:
    assert advice_for(400, code, None, True) == LATER


@pytest.mark.parametrize("code", [2, 4, 190, 200, 551, 613])
@pytest.mark.parametrize("status", [400, 429, 500, None])
def test_the_subcode_is_asked_before_everything_else(code: int, status: int | None) -> None:
    """One error comes under two codes, by the caller's language."""
    for is_transient in (False, True):
        assert advice_for(status, code, 1545041, is_transient) == NEVER


def test_the_wait_that_graph_asks_for_is_handed_on() -> None:
    assert GraphError("slow down", status=429, retry_after=33.0).retry_after == 33.0
    assert GraphError("slow down", status=429).retry_after is None
