"""Every request that went over the wire, either way: a line for each, with the whole exchange behind it."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TextIO

from .describe import call_kind, people_of_call, plain, words_of_call, words_of_events
from .exchange import Exchange
from .graph_api.call import GraphAnswer, GraphRequest
from .shortened import shortened
from .wire import Answer, Delivery

_KEEP = 500


@dataclass(frozen=True)
class GraphCall:
    """One call that the bot made to the Graph API, and how it was answered."""

    number: int
    at: float
    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    status: int
    error: str = ""

    @classmethod
    def of(cls, call: GraphRequest, answer: GraphAnswer, *, number: int, at: float) -> GraphCall:
        """Note ``call`` and ``answer`` with everything secret shortened."""
        error = answer.body.get("error", {}).get("message", "")
        secret = ("access_token", "appsecret_proof")
        query = {name: value for name, value in call.query.items() if name not in secret}
        body = {name: value for name, value in call.body.items() if name != "access_token"}
        path = "/" + call.path
        return cls(number, at, call.method, path, shortened(query), shortened(body), answer.status, error)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the log: when, which way (``bot`` or ``graph``: who was called), what, and how it ended.

    ``tries`` is 0 while the first one is under way; ``seq`` grows with each change of any line.
    """

    id: str
    seq: int = 0
    at: float
    way: str
    kinds: tuple[str, ...]
    words: str
    people: tuple[str, ...]
    status: int | None
    seconds: float
    tries: int = 1
    problem: str
    ok: bool
    done: bool = True
    exchange: Exchange

    def as_dict(self) -> dict[str, Any]:
        """Return what the chat page lists; it fetches the exchange when the line is opened."""
        shown = ("id", "seq", "at", "way", "kinds", "words", "people", "status", "tries", "problem", "ok")
        return {name: getattr(self, name) for name in shown} | {"ms": round(self.seconds * 1000)}

    def as_text(self) -> str:
        """Return the line for a terminal: ``18:27:24 → linked 200 12 ms``."""
        arrow = "→" if self.way == "bot" else "←"
        status = "no answer" if self.status is None else str(self.status)
        notes = [f"{self.tries} tries"] if self.tries > 1 else []
        notes += [plain(self.problem)] if self.problem else []
        at = time.strftime("%H:%M:%S", time.localtime(self.at))
        tail = f" ({', '.join(notes)})" if notes else ""
        return f"{at} {arrow} {self.words} {status} {self.seconds * 1000:.0f} ms{tail}"


class WireLog:
    """The newest lines; any thread may add one. ``out`` gets one line for each exchange that has ended."""

    def __init__(self, on_change: Callable[[], None], out: TextIO | None) -> None:
        self._on_change = on_change
        self._out = out
        self._lock = threading.Lock()
        self._seq = 0
        self._lines: OrderedDict[str, Line] = OrderedDict()

    def note_delivery(self, delivery: Delivery, events: Sequence[dict[str, Any]]) -> None:
        """Note a delivery after each try; its line is replaced."""
        exchange = Exchange(
            "POST",
            delivery.url,
            delivery.headers,
            delivery.body.decode("utf-8", "replace"),
            delivery.status,
            delivery.answer.headers,
            delivery.answer.text,
        )
        self._note(
            Line(
                id=f"w{delivery.number}",
                at=delivery.when,
                way="bot",
                kinds=delivery.kinds,
                words=words_of_events(events),
                people=delivery.people,
                status=delivery.status,
                seconds=delivery.answer.seconds,
                tries=delivery.tries,
                problem=", ".join(filter(None, [delivery.error, "given up" if delivery.given_up else ""])),
                ok=delivery.accepted,
                done=delivery.accepted or delivery.given_up,
                exchange=exchange,
            )
        )

    def note_call(
        self,
        noted: GraphCall,
        call: GraphRequest,
        answer: GraphAnswer,
        *,
        seconds: float,
        people: Sequence[str],
        url: str,
    ) -> None:
        """Note a call of the bot to Graph."""
        body = call.text or (json.dumps(call.body) if call.body else "")
        said = json.dumps(answer.body, ensure_ascii=False)
        exchange = Exchange(call.method, url, call.headers, body, answer.status, answer.headers, said)
        self._note(
            Line(
                id=f"g{noted.number}",
                at=noted.at,
                way="graph",
                kinds=(call_kind(call),),
                words=words_of_call(call),
                people=people_of_call(call, answer, people),
                status=answer.status,
                seconds=seconds,
                problem=noted.error,
                ok=answer.status < 400,
                exchange=exchange,
            )
        )

    def note_callback(self, kind: str, request: Exchange, answer: Answer, *, at: float, psid: str) -> None:
        """Note a call to the bot that is not a webhook: a request to delete, or a deauthorization."""
        exchange = replace(request, status=answer.status, answer_headers=answer.headers, answer=answer.text)
        self._note(
            Line(
                id=f"c{self.seq}",
                at=at,
                way="bot",
                kinds=(kind,),
                words=kind,
                people=(psid,),
                status=answer.status,
                seconds=answer.seconds,
                problem=answer.error,
                ok=answer.status == 200,
                exchange=exchange,
            )
        )

    def line(self, line_id: str) -> Line | None:
        """Return a line by its id; ``None`` when there is none, or it has been dropped."""
        with self._lock:
            return self._lines.get(line_id)

    @property
    def seq(self) -> int:
        """The number of the newest change."""
        with self._lock:
            return self._seq

    def find(self, text: str, *, after: int) -> Line | None:
        """Return the newest line, changed after ``after``, of a post to the bot with ``text`` in its body."""
        with self._lock:
            lines = [line for line in self._lines.values() if line.seq > after and line.way == "bot"]
        return next((line for line in reversed(lines) if text in line.exchange.body), None)

    def newest_webhook(self) -> Line | None:
        """Return the newest line of a webhook, or ``None``."""
        with self._lock:
            return next((line for line in reversed(self._lines.values()) if line.id.startswith("w")), None)

    def after(self, seq: int) -> list[dict[str, Any]]:
        """Return the lines that came or changed after ``seq``, in the order in which they came."""
        with self._lock:
            return [line.as_dict() for line in self._lines.values() if line.seq > seq]

    def _note(self, line: Line) -> None:
        with self._lock:
            self._seq += 1
            self._lines[line.id] = replace(line, seq=self._seq)
            while len(self._lines) > _KEEP:
                self._lines.popitem(last=False)
        if self._out is not None and line.done:
            print(f"{line.as_text()}\n", end="", file=self._out, flush=True)  # whole, whichever thread writes
        self._on_change()
