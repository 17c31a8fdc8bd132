"""The outbox's handlers about a link: one method for each kind of entry.

Each handler reads the link as it is now, so a message that has become untrue is not sent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from bot_linking.core.codes import limits_of
from bot_linking.core.errors import DeliveryFailed
from bot_linking.core.funnel import Funnel, Reached
from bot_linking.core.hooks import NO_HOOKS, Hooks
from bot_linking.core.linking import Linking
from bot_linking.core.links import WAYS, Link, to_ms
from bot_linking.core.ports import OutboxEntry
from bot_linking.core.ports.links import Contact
from bot_linking.delivery.handlers import Counter, handles
from bot_linking.interrupted import Interrupted
from bot_linking.messenger.bots import Bots
from bot_linking.messenger.buttons import Message
from bot_linking.messenger.messages import Messages

HOUR_MS = 3_600_000
WINDOW_MS = 24 * HOUR_MS  # how long a page may write to a person after their event


class Deliveries:
    """The handlers of one app. `hooks` may hold the host's own messages. `in_request` is entered around the
    host's code, so that it can build addresses. `utility_template` names a template of the page that may be
    sent outside the 24-hour window."""

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
        utility_template: str | None = None,
        message_limit: int,
        funnel: Funnel,
    ) -> None:
        self._linking = linking
        self._bots = bots
        self._messages = messages
        self._interrupted = interrupted
        self._locale = locale
        self._confirmation = hooks.confirmation
        self._farewell = hooks.farewell
        self._in_request = in_request
        self._utility_template = utility_template
        self._message_limit = message_limit
        self._funnel = funnel

    @handles("linked")
    def confirm(self, entry: OutboxEntry) -> Counter | None:
        """Send the confirmation; outside the 24-hour window, by the utility template."""
        link = self._linking.link_of(entry.psid, entry.page_id)
        if link is None:
            return None  # unlinked since: the farewell is in the outbox
        contact = self._contact_of(entry)
        try:
            counter = self._send(entry, contact, self._confirmation_of(link, contact))
        except DeliveryFailed as problem:
            if problem.advice != "window" or self._utility_template is None or entry.held:
                raise
            self._send_template(entry, contact, link, instead_of=problem)
            self._confirmed(link)
            return None
        if counter is not None:
            self._confirmed(link)
        return counter

    def _confirmed(self, link: Link) -> None:
        """Count a confirmation, once for each new link: one for a changed link does not count."""
        if link.source in WAYS and link.linked_at == link.updated_at:
            self._funnel.later(self._count_confirmed, link)

    def _count_confirmed(self, link: Link, *, at: int) -> None:
        since = to_ms(link.linked_at)
        self._funnel.reach(Reached.CONFIRMED, link.source, link.page_id, since=since, at=at)

    def _confirmation_of(self, link: Link, contact: Contact) -> Message | None:
        if self._confirmation is None:
            return self._messages.linked(link, contact.locale or self._locale)
        with self._in_request():
            return self._confirmation(link)

    @handles("unlinked")
    def say_farewell(self, entry: OutboxEntry) -> Counter | None:
        if self._linking.link_of(entry.psid, entry.page_id) is not None:
            return None  # linked again since
        contact = self._contact_of(entry)
        return self._send(entry, contact, self._farewell_of(entry, contact))

    def _farewell_of(self, entry: OutboxEntry, contact: Contact) -> Message | None:
        if self._farewell is None:
            return self._messages.unlinked(entry.page_id, contact.locale or self._locale)
        with self._in_request():
            return self._farewell(entry.page_id, entry.psid)

    @handles("refused")
    def explain_refusal(self, entry: OutboxEntry) -> Counter | None:
        """Say that a login did not work, unless its code was refused over a day ago."""
        if self._linking.now() - entry.created_at > WINDOW_MS:
            return None
        contact = self._contact_of(entry)
        return self._send(
            entry, contact, self._messages.refused(entry.page_id, contact.locale or self._locale)
        )

    @handles("unlink_call")
    def unlink_at_messenger(self, entry: OutboxEntry) -> None:
        if self._linking.link_of(entry.psid, entry.page_id) is None:  # not linked again since
            self._bots.graph_of(entry.page_id).unlink(entry.psid)

    @handles("resume")
    def resume(self, entry: OutboxEntry) -> None:
        """Run the handler that a login had interrupted."""
        link = self._linking.link_of(entry.psid, entry.page_id)
        if link is not None:
            with self._in_request():
                self._interrupted.resume(entry.payload, link)

    @handles("sorry")
    def say_sorry(self, entry: OutboxEntry) -> Counter | None:
        """Say that the handler that a login had interrupted was given up."""
        contact = self._contact_of(entry)
        return self._send(entry, contact, self._messages.sorry(contact.locale or self._locale))

    def _send(self, entry: OutboxEntry, contact: Contact, message: Message | None) -> Counter | None:
        """Send, at most `message_limit` an hour to one person, however often they log in and out."""
        if message is None:
            return None
        store, now = self._linking.store, self._linking.now()
        counter = limits_of(entry.page_id, entry.psid).messages
        sent, starts_again = store.find_limit(counter, now, HOUR_MS)
        if sent >= self._message_limit:
            enough = DeliveryFailed("enough messages for this hour, by BOT_LINKING_MESSAGE_LIMIT")
            enough.held_for = "hour"  # the person's other entries go on
            enough.retry_after = (starts_again - now) / 1000
            raise enough
        from bot_linking.messenger.send import send_with

        try:
            bot, kind = self._bots.of(entry.page_id), _messaging_type(contact, now)
            send_with(bot, entry.psid, message, messaging_type=kind)
        except DeliveryFailed as problem:
            if problem.advice in ("never", "window"):  # the refused call counts, too
                store.hit(counter, now + HOUR_MS, now)
            raise
        return counter, now + HOUR_MS

    def _send_template(
        self, entry: OutboxEntry, contact: Contact, link: Link, *, instead_of: DeliveryFailed
    ) -> None:
        """Send the utility template. Where Messenger refuses it, raise `instead_of`, so that the confirmation
        waits for the person to write."""
        from bot_linking.messenger.send import send_with

        locale = contact.locale or self._locale
        template = self._messages.utility(self._utility_template or "", link, locale)
        try:
            send_with(self._bots.of(entry.page_id), entry.psid, template, messaging_type="UTILITY")
        except DeliveryFailed as problem:
            raise instead_of from problem

    def _contact_of(self, entry: OutboxEntry) -> Contact:
        known = self._linking.store.contact_of(entry.page_id, entry.psid)
        heard = [at for at in (known.heard_at, entry.heard_at) if at is not None]
        return known._replace(heard_at=max(heard, default=None))


def _messaging_type(contact: Contact, now: int) -> str:
    """Source: Send API, `messaging_type`. A response follows an event of the person within 24 hours."""
    is_answer = contact.heard_at is not None and now - contact.heard_at < WINDOW_MS
    return "RESPONSE" if is_answer else "UPDATE"
