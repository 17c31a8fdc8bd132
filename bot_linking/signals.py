"""One signal for each event. A receiver cannot refuse anything: for that, `AccountLinking` takes callables.

A receiver gets the Flask app as sender and a frozen `event`. What it returns is ignored, and what it raises
is logged. It is called after the commit, in the process that made the change:

    @account_linked.connect
    def welcome(app, event):
        crm.note(event.link.account_id, "linked in Messenger")
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from functools import partial
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from blinker import ANY, NamedSignal
from blinker._utilities import make_id

from bot_linking.core import events
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.signal import Receiver, SignalOf

if TYPE_CHECKING:
    from bot_linking.core.events import *  # noqa: F403

_KEPT = "bot_linking.receivers"  # in an app's extensions: its receivers, by signal and identity
_log = logging.getLogger("bot_linking")


class Signal(NamedSignal):
    """A signal that keeps its receivers. Blinker's own holds them weakly, and so loses a function that was
    defined in a factory as soon as the factory returns. A receiver for one app is kept by that app: it often
    holds the app, which would otherwise live as long as the signal."""

    def __init__(self, name: str, event: type[events.Happening]) -> None:
        super().__init__(name.replace("_", "-"), event.__doc__)
        self.event = event
        self._keepers = weakref.WeakSet[Any]()  # the apps that keep receivers of this signal

    def connect(self, receiver: Receiver, sender: Any = ANY, weak: bool = False) -> Receiver:
        """Call `receiver(app, event=...)` for each event of this app, or of every app."""
        identity = make_id(receiver)
        known = self.receivers.get(identity)
        is_kept = known is not None and not isinstance(known, weakref.ref)  # for every app
        if weak or is_kept or not hasattr(sender, "extensions"):
            return super().connect(receiver, sender, weak and not is_kept)
        try:
            super().connect(receiver, sender, weak=True)
        except TypeError:  # an object that cannot be referenced weakly
            return super().connect(receiver, sender, weak=False)
        sender.extensions.setdefault(_KEPT, {})[self.name, identity] = receiver
        self._keepers.add(sender)
        return receiver

    def disconnect(self, receiver: Callable[..., Any], sender: Any = ANY) -> None:
        """Stop calling `receiver` for this app, or for every app."""
        super().disconnect(receiver, sender)
        for app in list(self._keepers):
            if sender is ANY or sender is app:
                app.extensions[_KEPT].pop((self.name, make_id(receiver)), None)


def _declared() -> dict[str, Signal]:
    """Name to signal, for each `name: SignalOf[Event]` in `core.events`."""
    hints = get_type_hints(events).items()
    return {name: Signal(name, *get_args(hint)) for name, hint in hints if get_origin(hint) is SignalOf}


_BY_NAME = _declared()
_BY_EVENT = {signal.event: signal for signal in _BY_NAME.values()}
globals().update(_BY_NAME)

EXPORTS: dict[str, object] = _BY_NAME | {event.__name__: event for event in _BY_EVENT}
"""What the package exports of them: each signal and the class of its events, by name."""


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
    except Exception as problem:
        *_, (frame, line) = walk_tb(problem.__traceback__)
        about = f"hook {frame.f_code.co_filename} {line}"
        log_sparingly(_log, logging.ERROR, about, "a hook or signal receiver failed", exc_info=True)
