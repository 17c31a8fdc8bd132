"""One signal for each event. A receiver cannot refuse anything: for that, `AccountLinking` takes callables.

A receiver gets the Flask app as sender and a frozen `event`. What it returns is ignored, and what it raises
is logged. It is called after the commit, in the process that made the change:

    @account_linked.connect
    def welcome(app, event):
        crm.note(event.link.account_id, "linked in Messenger")
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from blinker import ANY, NamedSignal

from bot_linking.core import events
from bot_linking.core.log_throttle import log_sparingly

_log = logging.getLogger("bot_linking")

Receiver = TypeVar("Receiver", bound=Callable[..., Any])


class Signal(NamedSignal):
    """A signal that keeps its receivers. Blinker's own holds them weakly, and so loses a function that was
    defined in a factory as soon as the factory returns."""

    def connect(self, receiver: Receiver, sender: Any = ANY, weak: bool = False) -> Receiver:
        """Call `receiver(app, event=...)` for each event of this app, or of every app."""
        return super().connect(receiver, sender, weak)


_BY_EVENT: dict[type[events.Happening], Signal] = {}


def _signal_of(event: type[events.Happening]) -> Signal:
    """The signal that carries these events; it is named after them."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", event.__name__).lower()
    return _BY_EVENT.setdefault(event, Signal(name))


account_linked = _signal_of(events.AccountLinked)
"""`AccountLinked`: a person was linked, or linked to another account."""

account_unlinked = _signal_of(events.AccountUnlinked)
"""`AccountUnlinked`: a link ended."""

link_changed = _signal_of(events.LinkChanged)
"""`LinkChanged`: a link got another user name, e-mail address or phone number of the same account."""

linking_refused = _signal_of(events.LinkingRefused)
"""`LinkingRefused`: a code, a request or an attempt was refused; `reason` is a slug."""

event_ignored = _signal_of(events.EventIgnored)
"""`EventIgnored`: a redelivery, or an event that lost to a newer one."""

stage_reached = _signal_of(events.StageReached)
"""`StageReached`: a person came to a stage of linking, from the prompt to the confirmation."""

login_prompted = _signal_of(events.LoginPrompted)
"""`LoginPrompted`: a person was shown a Log In button."""

login_cancelled = _signal_of(events.LoginCancelled)
"""`LoginCancelled`: a person left the linking page with Cancel."""

message_sent = _signal_of(events.MessageSent)
"""`MessageSent`: an outbox entry was delivered."""

message_failed = _signal_of(events.MessageFailed)
"""`MessageFailed`: an outbox entry was not delivered, for now or for good."""

graph_failed = _signal_of(events.GraphFailed)
"""`GraphFailed`: a call to Graph failed. The message behind it may still be tried again."""

webhook_received = _signal_of(events.WebhookReceived)
"""`WebhookReceived`: a webhook was answered. The event is made only while a receiver is connected."""

person_erased = _signal_of(events.PersonErased)
"""`PersonErased`: everything about a person was removed."""


def tell(app: Any, event: events.Happening) -> None:
    """Call the receivers, and log what they raise. A refusal is logged by its slug."""
    if isinstance(event, events.LinkingRefused):
        _log_refusal(app, event)
    signal = _BY_EVENT[type(event)]
    for receiver in signal.receivers_for(app):
        guarded(partial(receiver, app, event=event))


def _log_refusal(app: Any, event: events.LinkingRefused) -> None:
    """Log the slug and the page, never the PSID, at most once a second for each slug."""
    fields = {"reason": event.reason, "page_id": event.page_id}
    kind = f"refused {event.reason} {id(app)}"
    log_sparingly(_log, logging.WARNING, kind, "linking refused: %s", event.reason, extra=fields)


def guarded(hook: Callable[..., Any], *args: Any) -> None:
    """Call the host's code where its failure must change nothing: what it raises is logged."""
    try:
        hook(*args)
    except Exception:
        _log.exception("a hook or signal receiver failed")
