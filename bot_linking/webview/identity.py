"""Asks Messenger who opened the linking page.

Each question costs a page's quota. So Messenger is asked only for a person who has signed in, once for each
linking token, and with one page's access token where the button's address names the page.
"""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

from bot_linking.core.codes import digest_for
from bot_linking.core.errors import PageUnknown
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.text import one_line
from bot_linking.messenger.bots import Bots
from bot_linking.messenger.graph import INVALID_LINKING_TOKEN, GraphError, Recipient
from bot_linking.messenger.refusals import may_work_later

REMEMBERED_MS = 300_000  # as long as a linking token lives
MOST_REMEMBERED = 10_000
MOST_ASKED = 4  # pages, where the address names none
LONGEST_WAIT_S = 8.0
TOKEN_ENDED = 190  # Graph's code for the page's access token, not for the linking token

_T = TypeVar("_T")
_log = logging.getLogger("bot_linking.webview")


class TokenExpired(Exception):
    """The `account_linking_token` is older than five minutes, or no page that was asked knows it."""


class IdentityRefused(Exception):
    """Messenger refuses to say whose login it is, until the page's settings are mended."""


class IdentityBusy(Exception):
    """Other requests ask Messenger about the same person, and have not ended within `LONGEST_WAIT_S`."""


class Profile(NamedTuple):
    """A person in one page's Messenger. All fields are None when Messenger did not answer."""

    page_id: str | None = None
    psid: str | None = None
    name: str | None = None


class _Away(Exception):
    """Messenger does not answer for now."""


@dataclass
class _Answer:
    """What Messenger said of one linking token or person, and a lock for the request that asks."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    until: int = 0
    owner: Recipient | None = None
    refusal: type[TokenExpired] | type[IdentityRefused] = TokenExpired
    name: str | None = None
    is_named: bool = False


class Identity:
    """Asks Graph, and remembers its answers in this process. `now` is in milliseconds."""

    def __init__(self, bots: Bots, now: Callable[[], int]) -> None:
        self._bots = bots
        self._now = now
        self._latest = dict[str, None]()  # the pages that people signed in from, the last one last
        self._answers: dict[str, _Answer] = {}
        self._lock = threading.Lock()

    def of(
        self,
        linking_token: str,
        hint: str | None = None,
        *,
        with_name: bool = True,
        admit: Callable[[], None] = lambda: None,
    ) -> Profile:
        """The owner of a linking token. `hint` is the page that the button's address named.

        An empty profile while Messenger is away. `admit` is called before Graph, and may raise. Raises
        `TokenExpired`, `IdentityRefused` and `IdentityBusy`, too, and `StoreUnavailable` where the token may
        be an added page's that could not be read yet.
        """
        with self._answer_for("token", linking_token) as answer:
            if answer.until <= self._now():
                admit()
                try:
                    self._ask(answer, linking_token, hint)
                except _Away:
                    return Profile()
            if answer.owner is None:
                raise answer.refusal
            if with_name and not answer.is_named:
                answer.name, answer.is_named = self._name_of(answer.owner), True
            return Profile(answer.owner.page_id, answer.owner.psid, answer.name if with_name else None)

    def named(self, person: Recipient, *, admit: Callable[[], None] = lambda: None) -> Profile:
        """A person whom another way than the linking token has proved, with their name. `admit` is called
        before Graph, and may raise. Raises `IdentityBusy`, too."""
        with self._answer_for("person", f"{person.page_id} {person.psid}") as answer:
            if answer.until <= self._now():
                admit()
                answer.name, answer.until = self._name_of(person), self._now() + REMEMBERED_MS
            return Profile(person.page_id, person.psid, answer.name)

    @contextmanager
    def _answer_for(self, kind: str, about: str) -> Iterator[_Answer]:
        """The answer about one token or person, for one request at a time. Raises `IdentityBusy` after
        `LONGEST_WAIT_S`: requests that wait for a slow Messenger would hold every thread."""
        key = digest_for(kind, about)
        with self._lock:
            answer = self._answers.setdefault(key, _Answer())
            while len(self._answers) > MOST_REMEMBERED:
                del self._answers[next(iter(self._answers))]
        if not answer.turn.acquire(timeout=LONGEST_WAIT_S):
            raise IdentityBusy
        try:
            yield answer
        finally:
            answer.turn.release()

    def _ask(self, answer: _Answer, linking_token: str, hint: str | None) -> None:
        """Ask for the owner, and remember the answer. Raises `_Away` and `StoreUnavailable`, which are not
        remembered."""
        answer.owner, answer.is_named = None, False
        owner, refusals = self._owner_of(linking_token, self._candidates(hint))
        if owner is not None:
            answer.owner = owner
            self._prefer(owner.page_id)
        elif any(map(_is_away, refusals)):
            text = "Messenger did not say whose login it is: %s"
            log_sparingly(_log, logging.WARNING, f"identity away {id(self)}", text, refusals[0])
            raise _Away
        else:
            self._bots.pages.require_all()
            refused = [each for each in refusals if each.code != INVALID_LINKING_TOKEN]
            if refused:
                text = "Messenger refuses to say whose login it is: %s"
                log_sparingly(_log, logging.ERROR, f"identity refused {id(self)}", text, refused[0])
            answer.refusal = IdentityRefused if refused else TokenExpired
        answer.until = self._now() + REMEMBERED_MS

    def _candidates(self, hint: str | None) -> list[str | None]:
        """The pages to ask: the hinted one, else those of the last sign-ins, then others."""
        if hint is not None:
            with suppress(PageUnknown):
                return [self._bots.pages.page(hint).id]
        with self._lock:
            latest = list(reversed(self._latest))
        known = [page.id for page in self._bots.pages.all()]
        return [*(each for each in latest if each in known), *(each for each in known if each not in latest)][
            :MOST_ASKED
        ]

    def _prefer(self, page_id: str) -> None:
        """Ask this page first next time."""
        with self._lock:
            self._latest.pop(page_id, None)
            self._latest[page_id] = None
            if len(self._latest) > MOST_ASKED:
                del self._latest[next(iter(self._latest))]

    def _owner_of(
        self, linking_token: str, candidates: Sequence[str | None]
    ) -> tuple[Recipient | None, list[GraphError]]:
        """The owner, from the first page that knows it; else no owner and each page's refusal."""
        refusals = list[GraphError]()
        questions = [partial(self._owner, page_id, linking_token) for page_id in candidates]
        for answer in _in_parallel(questions):
            if isinstance(answer, Recipient):
                return answer, []
            refusals.append(answer)
        if len(refusals) < len(candidates):
            refusals.append(GraphError("Graph did not answer in time"))
        return None, refusals

    def _owner(self, page_id: str | None, linking_token: str) -> Recipient | GraphError:
        try:
            owner = self._bots.graph_of(page_id).owner_of(linking_token)
        except GraphError as problem:
            return problem
        except PageUnknown:  # it was removed meanwhile
            return GraphError("the page is not served any more", status=200, code=INVALID_LINKING_TOKEN)
        if page_id in (None, owner.page_id):
            return owner
        return GraphError("the token is another page's", status=200, code=INVALID_LINKING_TOKEN)

    def _name_of(self, owner: Recipient) -> str | None:
        """The person's name; None where Messenger does not tell it."""
        try:
            name = self._bots.graph_of(owner.page_id).profile_name(owner.psid)
        except (GraphError, PageUnknown):
            return None
        return one_line(name) or None if name else None


def _is_away(problem: GraphError) -> bool:
    """Whether Messenger did not answer or asked to try later, and did not refuse."""
    if may_work_later(problem.status):
        return True
    return problem.transient and problem.code not in (None, TOKEN_ENDED)


def _in_parallel(questions: Sequence[Callable[[], _T]]) -> Iterator[_T]:
    """The answers in the order in which they come. Answers after `LONGEST_WAIT_S` are left out."""
    if len(questions) == 1:
        yield questions[0]()
        return
    answers = queue.SimpleQueue[_T]()
    for question in questions:
        here = contextvars.copy_context()
        work = partial(here.run, lambda ask: answers.put(ask()), question)
        threading.Thread(target=work, name="bot_linking-identity", daemon=True).start()
    deadline = time.monotonic() + LONGEST_WAIT_S
    for _ in questions:
        try:
            yield answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
