"""What each error of Graph is about: the protocol's table, written a second time for this test."""

from __future__ import annotations

import pytest

from bot_linking.messenger.graph import GraphError
from bot_linking.messenger.refusals import TABLE, About, refusal_of

PERSON, WINDOW, PAGE, PASSING, STRANGER = About
ADVICE = {PERSON: "never", WINDOW: "window", PAGE: "page", PASSING: "later", STRANGER: "later"}

PROTOCOL: list[tuple[str, int, int | None, About, bool]] = [
    # meaning, code, subcode, what it is about, whether the whole page waits
    ("unknown", 1, None, PASSING, False),
    ("unknown, 99", 1, 99, PASSING, False),
    ("service, temporary", 2, None, PASSING, False),
    ("app request limit", 4, None, PASSING, True),
    ("user limit", 17, None, PASSING, True),
    ("pages limit", 32, None, PASSING, True),
    ("custom limit", 613, None, PASSING, True),
    ("inconsistent request volume", 613, 1996, PASSING, True),
    ("page limit", 80001, None, PASSING, True),
    ("Messenger limit", 80006, None, PASSING, True),
    ("app limit", 341, None, PASSING, True),
    ("blocked for policy", 368, None, PASSING, True),
    ("blocked for policy, a subcode in no table", 368, 1390008, PASSING, True),
    ("content reported as abusive", 368, 1346003, PERSON, False),
    ("no permission", 10, None, PAGE, True),
    ("outside the window", 10, 2018278, WINDOW, False),
    ("outside the window, news", 10, 2018065, WINDOW, False),
    ("outside the window, other form", 10, 2534022, WINDOW, False),
    ("person cannot receive", 10, 2018108, PERSON, False),
    ("page restricted from sending", 10, 1893063, PAGE, True),
    ("thread under regional rules", 10, 2018336, PERSON, False),
    ("a permission, or something else", 10, 7654321, PASSING, False),
    ("bad parameter", 100, None, PERSON, False),
    ("object not visible", 100, 33, PERSON, False),
    ("no matching user", 100, 2018001, PERSON, False),
    ("message and sender_action together", 100, 2018014, PERSON, False),
    ("other app controls the thread", 100, 2534037, PASSING, False),
    ("other app controls the thread", 100, 2018300, PASSING, False),
    ("automated flow controls the thread", 100, 2018321, PASSING, False),
    ("token unusable", 190, None, PAGE, True),
    ("token: app not installed", 190, 458, PAGE, True),
    ("token: checkpoint", 190, 459, PAGE, True),
    ("token: password changed", 190, 460, PAGE, True),
    ("token: expired", 190, 463, PAGE, True),
    ("token: invalid", 190, 467, PAGE, True),
    ("token: a subcode in no table", 190, 499, PAGE, True),
    ("session ended", 102, None, PAGE, True),
    ("app key invalid", 101, None, PAGE, True),
    ("capability missing", 3, None, PAGE, True),
    ("not approved", 200, None, PAGE, True),
    ("not approved, person has no app role", 200, 2018028, PAGE, False),
    ("permission missing", 230, None, PAGE, True),
    ("permission missing", 299, None, PAGE, True),
    ("person not available", 551, None, PERSON, False),
    ("person not available", 551, 1545041, PERSON, False),
    ("person not available, other locale", 200, 1545041, PERSON, False),
    ("temporary send failure", 1200, None, PASSING, False),
    ("no profile", 100, 2018218, PERSON, False),
    ("no profile permission", 100, 2018247, PERSON, False),
    ("invalid account_linking_token", 10303, None, PERSON, False),
    ("other app controls the thread, the subcode as the code", 2018300, None, PASSING, False),
    ("outside the window, the subcode as the code", 2018278, None, WINDOW, False),
    ("no profile, the subcode as the code", 2018218, None, PERSON, False),
    ("unheard of", 424242, None, PERSON, False),
]


@pytest.mark.parametrize(("meaning", "code", "subcode", "about", "whole_page"), PROTOCOL)
def test_a_refusal_of_the_protocol_is_about_what_the_protocol_says(
    meaning: str, code: int, subcode: int | None, about: About, whole_page: bool
) -> None:
    error = GraphError(meaning, status=400, code=code, subcode=subcode)
    assert (error.about, error.whole_page) == (about, whole_page)
    assert (error.advice, error.transient) == (ADVICE[about], ADVICE[about] == "later")


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        (190, "The session has been invalidated", "token"),
        (102, "The session is invalid", "token"),
        (100, "Invalid appsecret_proof provided in the API argument", "secret"),
        (100, "API calls from the server require an appsecret_proof argument", "secret"),
        (10, "Application does not have permission for this action", "permission"),
        (230, "Requires pages_messaging permission", "permission"),
        (3, "Application does not have the capability to make this API call", "app"),
    ],
)
def test_what_holds_a_page_names_what_is_to_be_mended(code: int, message: str, cause: str) -> None:
    error = GraphError("refused", status=400, code=code, message=message)
    assert (error.advice, error.whole_page, error.cause) == ("page", True, cause)


def test_a_restriction_of_the_page_names_itself() -> None:
    assert GraphError("refused", status=400, code=10, subcode=1893063).cause == "restriction"


def test_a_wrong_parameter_that_only_resembles_a_wrong_secret_is_the_texts_own_fault() -> None:
    assert GraphError("refused", status=400, code=100, message="Invalid parameter").advice == "never"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 429, None])
@pytest.mark.parametrize("code", [None, 100, 551, 424242])
def test_a_server_error_a_limit_or_silence_is_tried_again(status: int | None, code: int | None) -> None:
    assert refusal_of(status, code, None).about is PASSING


def test_no_answer_at_all_pauses_nobody_else() -> None:
    error = GraphError("a timeout")
    assert (error.advice, error.whole_page) == ("later", False)


def test_too_many_requests_pauses_the_page_whatever_the_body_says() -> None:
    error = GraphError("slow down", status=429)
    assert (error.advice, error.whole_page) == ("later", True)


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 307, 400, 401, 403, 404, 405, 407, 418, 451])
def test_an_answer_without_graphs_own_code_is_a_strangers_and_tried_again(status: int) -> None:
    error = GraphError("a proxy's page", status=status)
    assert (error.about, error.advice, error.whole_page) == (STRANGER, "later", False)


@pytest.mark.parametrize("code", [100, 190, 551, 200])
def test_a_redirect_is_never_graphs_whatever_its_body_says(code: int) -> None:
    assert refusal_of(302, code, None).about is STRANGER


@pytest.mark.parametrize(
    ("code", "subcode"),
    [(4, None), (100, None), (100, 33), (190, 463), (200, None), (551, None), (424242, None), (None, None)],
)
def test_what_graph_calls_transient_is_tried_again(code: int | None, subcode: int | None) -> None:
    assert refusal_of(400, code, subcode, is_transient=True).about is PASSING


def test_a_limit_that_graph_calls_transient_still_pauses_the_page() -> None:
    assert refusal_of(400, 613, None, is_transient=True).whole_page


@pytest.mark.parametrize("code", [2, 4, 10, 100, 190, 200, 551, 613, None])
@pytest.mark.parametrize("status", [400, 429, 500, None])
@pytest.mark.parametrize(("subcode", "about"), [(1545041, PERSON), (2018278, WINDOW), (2018300, PASSING)])
def test_the_subcode_is_asked_before_everything_else(
    code: int | None, status: int | None, subcode: int, about: About
) -> None:
    """One error comes under two codes, by the caller's language."""
    for is_transient in (False, True):
        assert refusal_of(status, code, subcode, is_transient=is_transient).about is about


def test_the_wait_that_graph_asks_for_is_handed_on() -> None:
    assert GraphError("slow down", status=429, retry_after=33.0).retry_after == 33.0
    assert GraphError("slow down", status=429).retry_after is None


def test_a_block_waits_long_even_where_graph_names_no_time() -> None:
    assert GraphError("blocked", status=400, code=368).retry_after == 900.0
    assert GraphError("blocked", status=400, code=368, retry_after=5000.0).retry_after == 5000.0


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.codes[0]}/{row.subcode}")
def test_each_row_says_what_it_means_and_where_that_stands(row: object) -> None:
    assert row.meaning  # type: ignore[attr-defined]
    assert row.source in {"errors", "graph", "limits", "login", "seen"}  # type: ignore[attr-defined]


def test_no_two_rows_are_about_the_same_answer() -> None:
    keys = [(code, row.subcode, row.says) for row in TABLE for code in row.codes]
    assert len(keys) == len(set(keys))


def test_only_what_is_about_the_page_names_a_cause() -> None:
    assert all((row.cause is not None) is (row.about is PAGE) for row in TABLE)
