"""Events by name, for a shell: what ``python -m bot_linking.simulator trigger`` asks for."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import quote

from . import events
from .callbacks import Callbacks
from .events import Event
from .wirelog import Line

#: Seconds within which what was triggered must be answered or given up.
PATIENCE = 60.0


class Triggers(Callbacks):
    """Makes an event happen and waits for the bot's answer."""

    def trigger(self, what: str, psid: str, value: str = "") -> Line:
        """Make ``what`` happen to the person, and return its line of the wire log when it has ended.

        ``value`` is the text, payload, ref or code; for ``redeliver`` it is the id of a line, by default
        that of the newest webhook. Raises ``ValueError`` for an unknown event or one that cannot happen now,
        and ``TimeoutError`` when the bot has not answered within a minute.
        """
        if what not in TRIGGERS:
            raise ValueError(f"there is no event {what!r}; there are {', '.join(TRIGGERS)}")
        self._known(psid)
        before = self.wire.seq
        sought = TRIGGERS[what](self, psid, value)
        if sought is None:
            raise ValueError(f"{what} changes nothing for this person now")
        if not isinstance(sought, str):
            self._refuse_unheard(sought)
            sought = events.as_json(sought)
        return self._line_with(sought, before)

    def _refuse_unheard(self, event: Event) -> None:
        kind = events.kind_of(event)
        if not self._is_delivered(kind):
            field = events.FIELD_OF_KIND[kind]
            raise ValueError(f"nothing is posted: page and app do not both subscribe to {field}")

    def _line_with(self, sought: str, before: int) -> Line:
        """Wait for a line newer than ``before`` that has ``sought`` in its body."""
        found: list[Line] = []

        def has_ended() -> bool:
            line = self.wire.find(sought, after=before)
            found[:] = [line] if line is not None and line.done else []
            return bool(found)

        if not self.wait_until(has_ended, PATIENCE):
            raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
        return found[0]


def _text(sim: Triggers, psid: str, value: str) -> Event:
    return sim.say(psid, value or "hello")


def _postback(sim: Triggers, psid: str, value: str) -> Event | str | None:
    payload = value or "TRIGGERED"
    return sim.tap(psid, {"type": "postback", "title": payload[:20], "payload": payload})


def _referral(sim: Triggers, psid: str, value: str) -> Event | None:
    return sim.follow(psid, f"https://m.me/{sim.page_username}?ref={quote(value or 'triggered', safe='')}")


def _linked(sim: Triggers, psid: str, value: str) -> Event:
    return sim.link(psid, value or f"triggered-{secrets.token_urlsafe(12)}")


def _redeliver(sim: Triggers, psid: str, value: str) -> str:
    line = sim.wire.line(value) if value else sim.wire.newest_webhook()
    if line is None:
        raise ValueError("there is nothing to redeliver")
    sim.post_again(line.id)
    return line.exchange.body


def _deletion(sim: Triggers, psid: str, value: str) -> str:
    sim.ask_deletion(psid)
    return "signed_request="


def _deauthorize(sim: Triggers, psid: str, value: str) -> str:
    sim.deauthorize(psid)
    return "signed_request="


#: Each returns the event that happened, or text that its body holds; ``None`` when nothing happened.
TRIGGERS: dict[str, Callable[[Triggers, str, str], Event | str | None]] = {
    "linked": _linked,
    "unlinked": lambda sim, psid, value: sim.unlink(psid),
    "text": _text,
    "postback": _postback,
    "referral": _referral,
    "get-started": lambda sim, psid, value: sim.get_started(psid),
    "optin": lambda sim, psid, value: sim.opt_in(psid, value),
    "read": lambda sim, psid, value: sim.read(psid),
    "delivery": lambda sim, psid, value: sim.reach(psid),
    "redeliver": _redeliver,
    "deletion": _deletion,
    "deauthorize": _deauthorize,
}
