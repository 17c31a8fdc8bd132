"""What the outbox delivers: one method for each kind of entry.

Each looks at the state as it is now, not as it was when the entry was written: what has become untrue since
is not said any more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from bot_linking.core.codes import digest_of
from bot_linking.core.errors import DeliveryFailed
from bot_linking.core.hooks import NO_HOOKS, Hooks
from bot_linking.core.linking import Linking
from bot_linking.core.links import Link
from bot_linking.core.ports import OutboxEntry
from bot_linking.interrupted import Interrupted
from bot_linking.messenger.bots import Bots
from bot_linking.messenger.buttons import Message
from bot_linking.messenger.messages import Messages

if TYPE_CHECKING:
    from bot_linking.delivery.worker import Counter, Handler

MOST_MESSAGES_AN_HOUR = 5
HOUR_MS = 3_600_000


class Errands:
    """The errands of one app. `hooks` may hold messages of the host's own; `in_request` is what the host's
    code runs in, so that it can build addresses."""

    def __init__(
        self,
        linking: Linking,
        bots: Bots,
        messages: Messages,
        interrupted: Interrupted,
        *,
        locale: str,
        hooks: Hooks = NO_HOOKS,
        in_request: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._linking = linking
        self._bots = bots
        self._messages = messages
        self._interrupted = interrupted
        self._locale = locale
        self._confirmation = hooks.confirmation
        self._farewell = hooks.farewell
        self._in_request = in_request

    def handlers(self) -> dict[str, Handler]:
        """Kind of entry to what delivers it."""
        return {
            "linked": self.confirm,
            "unlinked": self.say_farewell,
            "refused": self.explain_refusal,
            "unlink_call": self.unlink_at_messenger,
            "resume": self.go_on,
            "sorry": self.say_sorry,
        }

    def confirm(self, entry: OutboxEntry) -> Counter | None:
        link = self._linking.link_of(entry.psid, entry.page_id)
        if link is None:
            return None  # unlinked since: the farewell says it
        return self._send(entry, self._confirmation_of(link, entry))

    def _confirmation_of(self, link: Link, entry: OutboxEntry) -> Message | None:
        if self._confirmation is None:
            return self._messages.linked(link, self._locale_of(entry))
        with self._in_request():
            return self._confirmation(link)

    def say_farewell(self, entry: OutboxEntry) -> Counter | None:
        if self._linking.link_of(entry.psid, entry.page_id) is not None:
            return None  # linked again since
        return self._send(entry, self._farewell_of(entry))

    def _farewell_of(self, entry: OutboxEntry) -> Message | None:
        if self._farewell is None:
            return self._messages.unlinked(self._locale_of(entry))
        with self._in_request():
            return self._farewell(entry.page_id, entry.psid)

    def explain_refusal(self, entry: OutboxEntry) -> Counter | None:
        return self._send(entry, self._messages.refused(self._locale_of(entry)))

    def unlink_at_messenger(self, entry: OutboxEntry) -> None:
        if self._linking.link_of(entry.psid, entry.page_id) is None:  # else linked again: Messenger is right
            self._bots.graph_of(entry.page_id).unlink(entry.psid)

    def go_on(self, entry: OutboxEntry) -> None:
        """Run the handler that a login had interrupted."""
        link = self._linking.link_of(entry.psid, entry.page_id)
        if link is not None:
            with self._in_request():
                self._interrupted.go_on(entry.payload, link)

    def say_sorry(self, entry: OutboxEntry) -> Counter | None:
        """The handler that a login had interrupted was given up."""
        return self._send(entry, self._messages.sorry(self._locale_of(entry)))

    def _send(self, entry: OutboxEntry, message: Message | None) -> Counter | None:
        """Send, but no more than a few an hour to one person, however often they log in and out."""
        if message is None:
            return None
        store, now = self._linking.store, self._linking.now()
        counter = f"messages:{digest_of(entry.page_id + ' ' + entry.psid)}"
        sent, starts_again = store.find_limit(counter, now, HOUR_MS)
        if sent >= MOST_MESSAGES_AN_HOUR:
            enough = DeliveryFailed("enough messages for this hour")
            enough.held_for = "hour"  # so that nothing else of this person waits for it
            enough.retry_after = (starts_again - now) / 1000
            raise enough
        from bot_linking.messenger.send import send_with

        try:
            send_with(self._bots.of(entry.page_id), entry.psid, message)
        except DeliveryFailed as problem:
            if problem.advice in ("never", "window"):  # it has cost a call
                store.hit(counter, now + HOUR_MS, now)
            raise
        return counter, now + HOUR_MS

    def _locale_of(self, entry: OutboxEntry) -> str:
        return self._linking.store.locale_of(entry.page_id, entry.psid) or self._locale
