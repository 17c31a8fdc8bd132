"""Messenger without its HTTP server: start and stop, the settings for a bot, and what the Graph API does."""

from __future__ import annotations

import json
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TextIO
from urllib.parse import urlencode

from . import events, safety
from .graph_api.api import Graph
from .graph_api.call import GraphAnswer, GraphRequest
from .mailbox import Mailbox
from .person import PEOPLE, Person
from .triggers import Triggers
from .webhook_queue import RETRY_PAUSES
from .wirelog import GraphCall

SUGGESTIONS = ("help", "orders", "points", "log in", "log out")
_KEEP_CALLS = 500


class Engine(Triggers):
    """See ``Simulator``, which is this class with an HTTP server."""

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
        listener: socket.socket | None = None,
        wire_out: TextIO | None = None,
    ) -> None:
        if listener is not None:
            host, port = listener.getsockname()[:2]
        self._listener = listener
        super().__init__(
            webhook_url,
            app_secret=app_secret,
            verify_token=verify_token,
            retry_pauses=retry_pauses,
            wire_out=wire_out,
            page_id=page_id,
            page_name=page_name,
            people=people,
            clock=clock,
            host=host,
            port=port,
        )
        token = page_access_token or safety.throw_away()
        self.page_access_token = safety.require_throw_away("page_access_token", token)
        self.suggestions = tuple(suggestions)
        self.messaging_type_required = messaging_type_required
        #: What the bot would have sent by e-mail; the page ``/mailbox`` shows it.
        self.mailbox = Mailbox(self.clock)
        self._graph = Graph(self)
        self._call_number = 0
        self._calls: OrderedDict[str, tuple[GraphCall, GraphRequest]] = OrderedDict()

    # --- start and stop

    def start(self) -> None:
        """Begin to deliver. Raises ``RuntimeError`` beside anything that looks like production."""
        safety.refuse_production()
        if self._running:
            raise RuntimeError("the simulator runs already")
        self._running = True
        self._queue.start()

    def stop(self) -> None:
        """End delivering; stopping twice is allowed. What was said and posted can still be read."""
        if self._running:
            self._running = False
            self._touch()
            self._queue.stop()

    def settings_for_bot(self, public_url: str | None = None) -> dict[str, str]:
        """Return all settings that a bot needs to talk to this simulator in place of Facebook.

        ``public_url`` is the bot's own address, by default the origin of ``webhook_url``.
        """
        return {
            "BOT_LINKING_PUBLIC_URL": public_url or safety.origin_of(self.webhook_url),
            "BOT_LINKING_APP_SECRET": self.app_secret,
            "BOT_LINKING_PAGE_ACCESS_TOKEN": self.page_access_token,
            "BOT_LINKING_VERIFY_TOKEN": self.verify_token,
            "BOT_LINKING_PAGE_ID": self.page_id,
            "BOT_LINKING_APP_ID": self.app_id,
            "BOT_LINKING_GRAPH_URL": self.url,
            "BOT_LINKING_RETURN_HOSTS": self.url,
            "BOT_LINKING_EXTENSIONS_SDK": f"{self.url}/en_US/messenger.Extensions.js",
        }

    # --- what can be seen

    @property
    def graph_calls(self) -> list[GraphCall]:
        """The calls to the Graph API, oldest first, without tokens and codes."""
        with self._changed:
            return [noted for noted, _ in self._calls.values()]

    def conversation(self, psid: str, after: int = 0) -> dict[str, Any]:
        """Return what the chat page shows: entries after number ``after``, typing, what was seen."""
        self._known(psid)
        busy = self._queue.busy_for(psid)
        last = next((delivery for delivery in reversed(self.deliveries) if psid in delivery.people), None)
        with self._changed:
            talk = self._talk(psid)
            return {
                "entries": talk.after(after),
                "typing": talk.typing(self.clock()),
                "busy": busy,
                "failing": last is not None and not last.accepted,
                "seen_at": talk.seen_at,
            }

    # --- what the Graph API does

    def answer_graph(self, call: GraphRequest) -> GraphAnswer:
        """Answer one Graph call and note it for the wire log."""
        begun, at = time.perf_counter(), self.clock()
        answer = self._graph.answer(call)
        with self._changed:
            self._call_number += 1
            noted = GraphCall.of(call, answer, number=self._call_number, at=at)
            self._calls[f"g{noted.number}"] = noted, call
            while len(self._calls) > _KEEP_CALLS:
                self._calls.popitem(last=False)
        query = f"?{urlencode(call.query)}" if call.query else ""
        self.wire.note_call(
            noted,
            call,
            answer,
            seconds=time.perf_counter() - begun,
            people=[person.psid for person in self.people],
            url=f"{self.url}/{call.path}{query}",
        )
        return answer

    def turn_clock(self, seconds: float) -> None:
        """Turn Messenger's clock forward, and tell the chat page. Raises ``ValueError`` as ``Clock`` does."""
        self.clock.advance(seconds)
        self._touch()

    def can_send_again(self, line_id: str) -> bool:
        """Tell whether ``send_again`` takes this line."""
        return line_id in self._calls or line_id.startswith("w")

    def send_again(self, line_id: str, body: str | None = None) -> None:
        """Repeat a line of the wire log: post the webhook again, or make the bot's call to Graph once more.

        ``body`` is JSON in place of the one that was sent; a webhook is signed anew. Raises ``KeyError``
        when the line is forgotten, ``ValueError`` when ``body`` is not JSON, or not an object for Graph.
        """
        with self._changed:
            _, call = self._calls.get(line_id, (None, None))
        if call is None:
            self.post_again(line_id, body)
            return
        if body is not None:
            given = json.loads(body)
            if not isinstance(given, dict):
                raise ValueError("a JSON object is wanted")
            headers = {**call.headers, "Content-Type": "application/json"}
            call = replace(call, body=given, text=body, headers=headers)
        self.answer_graph(call)

    def receive(self, psid: str, body: Mapping[str, Any]) -> str | None:
        """Take what the bot sends to a person; returns the message id, ``None`` for a sender action."""
        if "sender_action" in body:
            with self._changed:
                self._talk(psid).add_action(self.clock(), str(body["sender_action"]))
            return None
        mid, message = events.new_mid(), body["message"]
        with self._changed:
            self._talk(psid).add_message(self.clock(), mid, message)
        stamp = self._stamp()
        self._post(events.echo_event(psid, self.page_id, stamp, mid=mid, message=message, app_id=self.app_id))
        return mid
