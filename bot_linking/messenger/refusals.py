"""What an error of Graph is about: one table, each row with its source, and the look-up in it.

A message is given up only for JSON with an `error.code` about this person, this text or this call. An error
about the page or the app holds the page's messages until it is mended. After a passing error, or an answer of
a proxy, the message is tried again.

Sources: [errors] Messenger Platform, "Common error codes". [graph] Graph API, "Handling errors". [limits]
Graph API, "Rate limits". [login] Messenger Platform, "Account linking". [seen] An answer recorded in public,
where the documentation says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Cause = Literal["token", "secret", "permission", "restriction", "app"]


class About(StrEnum):
    """What an error is about. It decides what becomes of the message."""

    PERSON = "person"
    """This person, this text or this call: the same answer would come again."""
    WINDOW = "window"
    """The person has not written for 24 hours: the message waits until they write."""
    PAGE = "page"
    """The page or the app: the page's messages wait until that is mended."""
    PASSING = "passing"
    """A limit, a fault of Graph, or no answer: the message is tried again."""
    STRANGER = "stranger"
    """The answer of a proxy or another server in between: the message is tried again."""


PERSON, WINDOW, PAGE, PASSING, STRANGER = About


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row. `codes` and `subcode` are Graph's numbers.

    `whole_page` means that every call for the page would fail alike. `pause_s` is the least wait in seconds,
    `cause` is what has to be mended. `says` must stand in Graph's message: a name that is never translated.
    """

    codes: range
    subcode: int | None
    about: About
    meaning: str
    source: str
    whole_page: bool = False
    pause_s: float = 0.0
    cause: Cause | None = None
    says: str = ""


_Row = tuple[int | range, int | None, str, str]


def _rows(
    about: About,
    *rows: _Row,
    whole_page: bool = False,
    pause_s: float = 0.0,
    cause: Cause | None = None,
    says: str = "",
) -> Iterator[Refusal]:
    """Rows of code or codes, subcode, meaning, source; the keyword arguments hold for all of them."""
    for code, subcode, meaning, source in rows:
        codes = code if isinstance(code, range) else range(code, code + 1)
        yield Refusal(codes, subcode, about, meaning, source, whole_page, pause_s, cause, says)


TABLE = (
    *_rows(
        PERSON,
        (10, 2018108, "the person does not take messages of the page", "errors"),
        (10, 2018336, "the thread is under the rules of Europe or Japan", "errors"),
        (100, None, "a parameter is wrong, or the message tag has ended", "errors"),
        (100, 33, "the token cannot see the person", "errors"),
        (100, 2018001, "no such person on this page", "errors"),
        (100, 2018014, "a message and a sender_action in one call", "errors"),
        (100, 2018218, "the person has no profile", "errors"),
        (100, 2018247, "the page may not see profiles", "errors"),
        (368, 1346003, "the text was reported as abusive", "seen"),
        (551, None, "the person is not available", "errors"),
        (551, 1545041, "the person has blocked the page or left", "errors"),
        (10303, None, "the account_linking_token has ended or is not Messenger's", "login"),
    ),
    *_rows(
        WINDOW,
        (10, 2018278, "outside the 24-hour window", "errors"),
        (10, 2018065, "outside the 24-hour window, by the news permission", "errors"),
        (10, 2534022, "outside the 24-hour window, in Instagram's words", "errors"),
    ),
    *_rows(
        PAGE,
        (190, None, "the token is not valid", "graph"),
        (190, 458, "the app is not installed", "graph"),
        (190, 459, "the token's user must log in at Facebook", "graph"),
        (190, 460, "the token's user has another password", "graph"),
        (190, 463, "the token has ended", "graph"),
        (190, 464, "the token's user is not confirmed", "graph"),
        (190, 467, "the token was withdrawn", "graph"),
        (190, 492, "the token's user has no role on the page", "graph"),
        (102, None, "the session has ended", "graph"),
        (2500, None, "an active access token is needed", "seen"),
        whole_page=True,
        cause="token",
    ),
    *_rows(
        PAGE,
        (100, None, "the app secret does not fit the token", "seen"),
        whole_page=True,
        cause="secret",
        says="appsecret_proof",
    ),
    *_rows(PAGE, (104, None, "the signature is wrong", "graph"), whole_page=True, cause="secret"),
    *_rows(
        PAGE,
        (10, None, "a permission is missing", "graph"),
        (range(200, 300), None, "a permission is missing", "graph"),
        whole_page=True,
        cause="permission",
    ),
    # Testers of the app are still reached, so the page's other messages go on.
    *_rows(PAGE, (200, 2018028, "pages_messaging is not approved yet", "errors"), cause="permission"),
    *_rows(
        PAGE,
        (10, 1893063, "the page may not send for a while", "errors"),
        whole_page=True,
        cause="restriction",
    ),
    *_rows(
        PAGE,
        (3, None, "the app may not make this call", "graph"),
        (5, None, "the app refuses calls from this address", "seen"),
        (12, None, "the call has ended", "graph"),
        (101, None, "the app is not known", "graph"),
        (2635, None, "the Graph version has ended", "seen"),
        whole_page=True,
        cause="app",
    ),
    *_rows(
        PASSING,
        (range(-1, 1), None, "Graph failed", "seen"),
        (1, None, "Graph failed, or a permission is missing", "errors"),
        (1, 99, "Graph failed, or a permission is missing", "errors"),
        (2, None, "Graph is not available", "errors"),
        (1200, None, "the message could not be sent for now", "seen"),
        (100, 2018300, "another app has the conversation", "errors"),
        (100, 2018321, "an automatic answer has the conversation", "errors"),
        (100, 2534037, "another app has the conversation", "errors"),
    ),
    *_rows(
        PASSING,
        (4, None, "the app's limit", "errors"),
        (17, None, "the user's limit", "graph"),
        (32, None, "the pages' limit", "limits"),
        (341, None, "the app's limit", "graph"),
        (613, None, "a limit of the call's own", "limits"),
        (613, 1996, "calls come too unevenly", "limits"),
        (range(80000, 80100), None, "a use case's limit; 80006 is Messenger's", "limits"),
        whole_page=True,
    ),
    *_rows(PASSING, (368, None, "blocked for a while", "graph"), whole_page=True, pause_s=900.0),
)


def _unlisted(about: About, meaning: str, pause_s: float = 0.0) -> Refusal:
    return Refusal(range(0), None, about, meaning, "graph", pause_s=pause_s)


NO_ANSWER = _unlisted(PASSING, "no answer")
NOT_GRAPHS = _unlisted(STRANGER, "an answer that is not Graph's")
UNLISTED = _unlisted(PERSON, "a refusal that is in no row")
# A code about permissions with a subcode that no row has.
_SOME_PERMISSION = _unlisted(PASSING, "a permission, or something else", pause_s=600.0)

_UNIQUE_FROM = 10_000  # a subcode from here on means the same under every code
_BY_SUBCODE = {row.subcode: row for row in TABLE if row.subcode and row.subcode >= _UNIQUE_FROM}


def refusal_of(
    status: int | None,
    code: int | None,
    subcode: int | None,
    *,
    is_transient: bool = False,
    message: str = "",
) -> Refusal:
    """The row for one answer, or one of the four for answers that no row has.

    The subcode decides first: it is more exact, and some errors come under two codes, by the caller's
    language. Then Graph's own `is_transient`, then the code, then the HTTP status (None: no answer).
    """
    if status is not None and 300 <= status < 400:
        return NOT_GRAPHS
    for number in (subcode, code):  # some documents print a subcode as the code
        if number in _BY_SUBCODE:
            return _BY_SUBCODE[number]
    row = _by_code(code, subcode, message) if code is not None else None
    if is_transient and (row is None or row.about is not PASSING):
        return NO_ANSWER
    if row is not None and (row.about is not PERSON or not may_work_later(status)):
        return row
    if may_work_later(status):
        return NO_ANSWER
    return NOT_GRAPHS if code is None else UNLISTED


def _by_code(code: int, subcode: int | None, message: str) -> Refusal | None:
    rows = [row for row in TABLE if code in row.codes and row.says in message]
    exact = next((row for row in rows if row.subcode == subcode), None)
    row = next((row for row in rows if row.says), exact) or next((r for r in rows if r.subcode is None), None)
    return _SOME_PERMISSION if row and row.cause == "permission" and row.subcode != subcode else row


def may_work_later(status: int | None) -> bool:
    """Whether the HTTP status alone means that the call may work later."""
    return status is None or status == 429 or status >= 500
