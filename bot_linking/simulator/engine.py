"""The state of the simulated Messenger, and what a person and Messenger can do with it; no HTTP here."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import events, safety, wire
from .conversation import Conversation
from .events import Event
from .graph import Graph
from .graph_call import GraphAnswer, GraphRequest
from .login import Outcome, opened_url, read_return
from .page_node import APP_ID
from .person import Person
from .postman import RETRY_PAUSES, Postman
from .switches import Switches
from .tokens import LinkingTokens, TokenState
from .wire import Delivery
from .wirelog import GraphCall

PEOPLE = (
    Person("24680135791357", "Ada", "Lovelace", "en_US"),
    Person("24680135792468", "Grace", "Hopper", "en_US"),
)
SUGGESTIONS = ("help", "orders", "points", "log in", "log out")
#: What the page subscribes to at the start; the app has echoes too, in case the page wants them.
_PAGE_FIELDS = ("messages", "messaging_postbacks", "messaging_account_linking")
_APP_FIELDS = (*_PAGE_FIELDS, "message_echoes")
_KEEP_CALLS = 500


class Engine:
    """Messenger without its HTTP server: see ``Simulator``, which is this class with one."""

    def __init__(
        self,
        webhook_url: str = "http://127.0.0.1:5000/webhook",
        *,
        app_secret: str | None = None,
        page_access_token: str | None = None,
        verify_token: str | None = None,
        page_id: str = "102030405060708",
        page_name: str = "Acme",
        people: Sequence[Person] = PEOPLE,
        suggestions: Sequence[str] = SUGGESTIONS,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
        messaging_type_required: bool = True,
        retry_pauses: Sequence[float] = RETRY_PAUSES,
    ) -> None:
        self.host = safety.require_loopback_host(host)
        self.webhook_url = webhook_url
        self.app_secret = safety.require_throw_away("app_secret", app_secret or _throw_away())
        token = page_access_token or _throw_away()
        self.page_access_token = safety.require_throw_away("page_access_token", token)
        self.verify_token = verify_token or _throw_away()
        self.page_id = page_id
        self.page_name = page_name
        self.people = tuple(people)
        self.suggestions = tuple(suggestions)
        self.clock = clock
        self.messaging_type_required = messaging_type_required
        self.page_fields = list(_PAGE_FIELDS)
        self.app_fields = list(_APP_FIELDS)
        self.profile: dict[str, Any] = {}
        self.tokens = LinkingTokens(self._now)
        self.switches = Switches(self._switched)
        self._port = port
        self._running = False
        self._changed = threading.Condition()
        self._version = 0
        self._last_stamp = 0
        self._linked: set[str] = set()
        self._conversations = {person.psid: Conversation() for person in self.people}
        self._graph = Graph(self)
        self._calls: deque[GraphCall] = deque(maxlen=_KEEP_CALLS)
        self._call_number = 0
        self._postman = Postman(self, self._touch, retry_pauses)

    # --- its life

    def start(self) -> None:
        """Begin to deliver. Raises ``RuntimeError`` beside anything that looks like production."""
        safety.refuse_production()
        if self._running:
            raise RuntimeError("the simulator runs already")
        self._running = True
        self._postman.start()

    def stop(self) -> None:
        """End delivering; stopping twice is fine. What was said and posted can still be read."""
        if self._running:
            self._running = False
            self._touch()
            self._postman.stop()

    @property
    def running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._running

    @property
    def url(self) -> str:
        """The address of the chat page and of the Graph API, without a slash at the end."""
        if not self._port:
            raise RuntimeError("the address is known once the simulator has been started")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._port}"

    @property
    def webhook_url(self) -> str:
        """Where events are posted; on this machine, and may be changed at any time."""
        return self._webhook_url

    @webhook_url.setter
    def webhook_url(self, url: str) -> None:
        self._webhook_url = safety.require_loopback_url(url)

    def settings_for_bot(self) -> dict[str, str]:
        """Return the settings with which a bot talks to this simulator instead of to Facebook."""
        return {
            "BOT_LINKING_APP_SECRET": self.app_secret,
            "BOT_LINKING_PAGE_ACCESS_TOKEN": self.page_access_token,
            "BOT_LINKING_VERIFY_TOKEN": self.verify_token,
            "BOT_LINKING_PAGE_ID": self.page_id,
            "BOT_LINKING_GRAPH_URL": self.url,
            "BOT_LINKING_RETURN_HOSTS": self.url,
        }

    def handshake(self) -> bool:
        """Verify the webhook as Facebook does on subscribing; True when the challenge came back."""
        return wire.shake_hands(self.webhook_url, self.verify_token, str(secrets.randbelow(10**10)))

    # --- what a person does

    def say(self, psid: str, text: str) -> Event:
        """Let the person write ``text``; returns the event, which is delivered in the background."""
        self._known(psid)
        self._add_words(psid, text)
        return self._post(events.message_event(psid, self.page_id, self._stamp(), text))

    def tap(self, psid: str, button: Mapping[str, Any]) -> Event | str | None:
        """Let the person tap a button or a quick reply that the bot sent.

        A postback, a quick reply and Log Out return the event (``None`` from Log Out when nothing was
        linked); a link and Log In return the URL that opens. Raises ``ValueError`` for any other button.
        """
        self._known(psid)
        kind = button.get("type") or ("quick_reply" if "payload" in button else None)
        if kind == "postback":
            return self._tap_postback(psid, str(button["title"]), str(button["payload"]))
        if kind == "quick_reply":
            return self._tap_quick_reply(psid, str(button.get("title", "")), str(button["payload"]))
        if kind == "account_unlink":
            return self.unlink(psid)
        if kind == "account_link":
            return self.open_login(psid, str(button["url"]))
        if kind == "web_url":
            return str(button["url"])
        raise ValueError(f"there is no button of type {kind!r}")

    def open_login(self, psid: str, button_url: str) -> str:
        """Let the person tap Log In; returns the URL that Messenger opens, its token good for five minutes.

        The token comes first and ``redirect_uri`` second, after whatever query the button's own URL has.
        """
        self._known(psid)
        return opened_url(button_url, token=self.tokens.mint(psid), messenger_url=self.url)

    def return_to(self, url: str) -> Outcome:
        """Let the browser come back to ``redirect_uri``, with or without an ``authorization_code`` added.

        With a code and a live token the signed ``linked`` event goes out. Raises ``ValueError`` for a URL
        that is not the simulator's return address: Facebook would not see it.
        """
        token, code = read_return(url, messenger_url=self.url)
        return self.finish_login(token, code)

    def finish_login(self, token: str, code: str) -> Outcome:
        """End a login: what the return address does with the two parameters in its query."""
        if not code:
            return Outcome.CANCELLED
        if self.switches.expired_linking_token:
            return Outcome.EXPIRED
        if "messaging_account_linking" not in self._delivered_fields():
            return Outcome.UNSUBSCRIBED  # Facebook's page says that linking failed, and posts nothing
        state, psid = self.tokens.use(token)
        if state is not TokenState.LIVE:
            return Outcome(state.value)
        self._mark_linked(psid)
        self._post(events.linked_event(psid, self.page_id, self._stamp(), code=code))
        return Outcome.LINKED

    def unlink(self, psid: str) -> Event | None:
        """Unlink the person, as Log Out and ``unlink_accounts`` do; returns the event, if any was due."""
        self._known(psid)
        with self._changed:
            if psid not in self._linked:
                return None
            self._linked.discard(psid)
            self._conversations[psid].add_note(self._now(), "Account no longer linked")
        return self._post(events.unlinked_event(psid, self.page_id, self._stamp()))

    # --- what can be seen

    def is_linked(self, psid: str) -> bool:
        """Tell whether Messenger takes this person's account for linked."""
        with self._changed:
            return psid in self._linked

    def messages(self, psid: str) -> list[dict[str, Any]]:
        """Return what the bot sent to the person, oldest first.

        Each is a ``dict`` with ``mid``, ``at`` (seconds) and either ``message`` or ``sender_action``.
        """
        self._known(psid)
        with self._changed:
            return self._conversations[psid].sent

    @property
    def deliveries(self) -> list[Delivery]:
        """What was posted to the webhook, oldest first."""
        return self._postman.deliveries

    @property
    def graph_calls(self) -> list[GraphCall]:
        """The calls to the Graph API, oldest first, with neither tokens nor codes in them."""
        with self._changed:
            return list(self._calls)

    def person(self, psid: str) -> Person | None:
        """Return the person with this PSID, or ``None``."""
        return next((person for person in self.people if person.psid == psid), None)

    def conversation(self, psid: str, after: int = 0) -> dict[str, Any]:
        """Return what the chat page shows: entries after number ``after``, typing, what was seen."""
        self._known(psid)
        busy = self._postman.busy_for(psid)
        last = next((delivery for delivery in reversed(self.deliveries) if psid in delivery.people), None)
        with self._changed:
            talk = self._conversations[psid]
            return {
                "entries": talk.after(after),
                "typing": talk.typing(self._now()),
                "busy": busy,
                "failing": last is not None and not last.accepted,
                "seen_at": talk.seen_at,
            }

    def wait_until(self, predicate: Callable[[], Any], timeout: float = 15.0) -> bool:
        """Wait until ``predicate()`` is true, at most ``timeout`` seconds; returns whether it became true."""
        deadline = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def wait_for_change(self, version: int, timeout: float) -> int:
        """Wait until something visible has changed since ``version``; returns the version of now."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version or not self.running, timeout)
            return self._version

    # --- what the Graph API does

    def answer_graph(self, call: GraphRequest) -> GraphAnswer:
        """Answer one Graph call and note it for the wire log."""
        answer = self._graph.answer(call)
        with self._changed:
            self._call_number += 1
            self._calls.append(GraphCall.of(call, answer, number=self._call_number, at=self._now()))
        self._touch()
        return answer

    def receive(self, psid: str, body: Mapping[str, Any]) -> str | None:
        """Take what the bot sends to a person; returns the message id, none for a sender action."""
        now = self._now()
        if "sender_action" in body:
            with self._changed:
                self._conversations[psid].add_action(now, str(body["sender_action"]))
            return None
        mid = events.new_mid()
        with self._changed:
            self._conversations[psid].add_message(now, mid, body["message"])
        echo = events.echo_event(
            psid, self.page_id, self._stamp(), mid=mid, message=body["message"], app_id=APP_ID
        )
        self._post(echo)
        return mid

    # --- inside

    def _tap_postback(self, psid: str, title: str, payload: str) -> Event:
        self._add_words(psid, title)
        return self._post(
            events.postback_event(psid, self.page_id, self._stamp(), title=title, payload=payload)
        )

    def _tap_quick_reply(self, psid: str, title: str, payload: str) -> Event:
        self._add_words(psid, title)
        return self._post(events.message_event(psid, self.page_id, self._stamp(), title, payload=payload))

    def _add_words(self, psid: str, text: str) -> None:
        with self._changed:
            self._conversations[psid].add_words(self._now(), text)

    def _mark_linked(self, psid: str) -> None:
        with self._changed:
            self._linked.add(psid)
            self._conversations[psid].add_note(self._now(), f"Account linked to {self.page_name}")

    def _post(self, event: Event) -> Event:
        if events.FIELD_OF_KIND[events.kind_of(event)] in self._delivered_fields():
            self._postman.take(event)
        self._touch()
        return event

    def _delivered_fields(self) -> set[str]:
        return set(self.page_fields) & set(self.app_fields)

    def _known(self, psid: str) -> Person:
        person = self.person(psid)
        if person is None:
            raise ValueError(f"nobody here has the PSID {psid!r}")
        return person

    def _now(self) -> float:
        return self.clock()

    def _stamp(self) -> int:
        """Milliseconds, never the same twice: people do one thing after the other."""
        with self._changed:
            self._last_stamp = max(self._last_stamp + 1, int(self._now() * 1000))
            return self._last_stamp

    def _switched(self, name: str) -> None:
        if name == "batch":
            self._postman.flush()
        self._touch()

    def _touch(self) -> None:
        with self._changed:
            self._version += 1
            self._changed.notify_all()


def _throw_away() -> str:
    return safety.SECRET_PREFIX + secrets.token_urlsafe(24)
