"""Asks a person to log in, and keeps the question that the login interrupts."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import PageUnknown, StoreUnavailable
from bot_linking.core.events import LoginPrompted, MessageFailed
from bot_linking.core.funnel import Funnel
from bot_linking.core.linking import Linking
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.ports import Counters, OutboxEntry, Tell
from bot_linking.delivery.handlers import handles
from bot_linking.messenger.choice import AUTO, Choice
from bot_linking.messenger.graph import GraphError
from bot_linking.messenger.messages import Messages
from bot_linking.messenger.senders import is_automatic, mid_of

PROMPT = "prompt"  # the kind of the outbox's entry
WORTH_S = 3600  # as long as the interrupted question is kept; a later prompt is not sent
_REDELIVERED_MS = 86_400_000
_UNDER_WAY_MS = 60_000  # longer than all calls of Graph's that a prompt may need

_PATIENCE_S = 10.0  # Messenger itself waits little longer for an answer
_LOOK_EVERY_S = 0.1

_log = logging.getLogger("bot_linking")


class Prompts:
    """The prompts of one app."""

    def __init__(
        self,
        linking: Linking,
        choice: Choice,
        messages: Messages,
        *,
        locale: str,
        tell: Tell,
        funnel: Funnel,
    ) -> None:
        self._linking = linking
        self._choice = choice
        self._messages = messages
        self._locale = locale
        self._tell = tell
        self._funnel = funnel

    def send(
        self,
        psid: str,
        text: str | None = None,
        *,
        resume: Any = None,
        page_id: str | None = None,
        by: str = AUTO,
    ) -> None:
        """Ask for a login by the way that can work, and keep `resume`. Raises `GraphError` when Messenger
        refuses the message, and `ValueError` for a text that it would refuse."""
        locale = self._language_of(page_id, psid)
        text = text or self._messages.login_prompt(locale)
        self._messages.prompt(locale, text)  # raises for a text that Messenger would refuse
        if resume is not None:
            self._linking.remember(psid, resume, page_id)
        way = self._choice.send(psid, page_id, text, locale, by=by)
        self._funnel.prompt(way, page_id, psid)
        self._tell(LoginPrompted(page_id or self._linking.page_id, psid))

    def require(
        self, event: Any, psid: str, page_id: str | None, *, text: str | None, call: dict[str, Any], by: str
    ) -> None:
        """Ask for a login on behalf of a handler, which was called with an event of a person without a link.

        Does nothing for an automatic event, and for one that Messenger has delivered before. A refusal of
        Messenger's goes to the log and to `message_failed`. It is not raised: the webhook would fail, and
        Messenger would send the whole batch again. A passing refusal is tried again through the outbox.
        """
        if is_automatic(event):
            return
        turn = self._turn_of(psid, page_id, call)
        if turn is None:
            self._try_to_send(psid, page_id, text=text, call=call, by=by)
        elif turn.take():
            with turn:
                self._try_to_send(psid, page_id, text=text, call=call, by=by)

    def _try_to_send(
        self, psid: str, page_id: str | None, *, text: str | None, call: dict[str, Any], by: str
    ) -> None:
        try:
            self.send(psid, text, resume=call, page_id=page_id, by=by)
        except (GraphError, PageUnknown) as problem:
            is_passing = isinstance(problem, GraphError) and problem.advice in ("later", "page")
            kept = is_passing and self._keep(psid, page_id, text, by)
            left = "kept" if kept else "given up"
            text = "a Log In button was not sent (%s): %s"
            log_sparingly(_log, logging.WARNING, f"prompt {left} {id(self)}", text, left, problem)
            self._tell(
                MessageFailed(page_id or self._linking.page_id or "", psid, PROMPT, str(problem), not kept)
            )

    def _turn_of(self, psid: str, page_id: str | None, call: dict[str, Any]) -> _Turn | None:
        """The turn of a call: the same for the same message, handler and arguments, however often Messenger
        delivers the event. None for an event without a `mid`."""
        mid = mid_of(call["event"])
        if mid is None:
            return None
        what = json.dumps([page_id, psid, mid, call["handler"], call["args"], call["kwargs"]], sort_keys=True)
        return _Turn(self._linking.counters, digest_of(what), self._linking.now)

    @handles(PROMPT)
    def deliver(self, entry: OutboxEntry) -> None:
        """Send a prompt that Messenger did not take at once, unless it is late or the person is linked."""
        is_late = self._linking.now() - entry.created_at > WORTH_S * 1000
        if not is_late and self._linking.link_of(entry.psid, entry.page_id) is None:
            asked = entry.payload if isinstance(entry.payload, dict) else {"text": entry.payload}
            self.send(entry.psid, page_id=entry.page_id, **asked)

    def _keep(self, psid: str, page_id: str | None, text: str | None, by: str) -> bool:
        page_id = page_id or self._linking.page_id
        if page_id is None:
            return False
        self._linking.queue(page_id, psid, PROMPT, {"text": text, "by": by})
        return True

    def _language_of(self, page_id: str | None, psid: str) -> str:
        page_id = page_id or self._linking.page_id
        return (self._linking.store.contact_of(page_id, psid).locale if page_id else None) or self._locale


class _Turn:
    """One prompt for one call: the first delivery takes the turn, and the others wait until it has prompted.
    A turn whose process has ended is free again after a minute."""

    def __init__(self, counters: Counters, what: str, now: Callable[[], int]) -> None:
        self._counters, self._now = counters, now
        self._under_way, self._ended = f"prompting:{what}", f"prompted:{what}"

    def take(self) -> bool:
        """Take the turn. False when another delivery has prompted. Raises `StoreUnavailable` while another is
        still about to, so that Messenger delivers the event again."""
        give_up_at: float | None = None
        while not self._has_ended():
            if self._is_first():
                return True
            give_up_at = give_up_at or time.monotonic() + self._patience_left()
            if time.monotonic() >= give_up_at:
                raise StoreUnavailable("another delivery of this message is being answered")
            time.sleep(_LOOK_EVERY_S)
        return False

    def _patience_left(self) -> float:
        """How long to wait (s), counted from when the turn was taken: a batch of messages whose process was
        killed holds a thread once, and not for each message."""
        now = self._now()
        hits, free_at = self._counters.find_limit(self._under_way, now, _UNDER_WAY_MS)
        taken_at = free_at - _UNDER_WAY_MS if hits else now
        return _PATIENCE_S - max(0, now - taken_at) / 1000

    def _has_ended(self) -> bool:
        return self._counters.find_limit(self._ended, self._now(), _REDELIVERED_MS)[0] > 0

    def _is_first(self) -> bool:
        now = self._now()
        if self._counters.find_limit(self._under_way, now, _UNDER_WAY_MS)[0]:
            return False
        try:
            return self._counters.hit(self._under_way, now + _UNDER_WAY_MS, now) == 1
        except StoreUnavailable:
            self._give_back()  # the turn may have been taken
            raise

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._give_back()  # so that the next delivery of the event prompts
            return
        with suppress(StoreUnavailable):  # it is said: a webhook that fails would be delivered again
            now = self._now()
            self._counters.hit(self._ended, now + _REDELIVERED_MS, now)

    def _give_back(self) -> None:
        with suppress(StoreUnavailable):
            self._counters.drop_limit(self._under_way)
