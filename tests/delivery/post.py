"""A Messenger for the outbox worker: it notes what it is handed, and refuses what a test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot_linking.core.errors import DeliveryFailed
from bot_linking.core.events import Happening, MessageFailed
from bot_linking.core.ports import OutboxEntry
from bot_linking.delivery import Delivery
from bot_linking.stores.store import SQLStore
from tests.bots import Clock

Handler = Callable[[OutboxEntry], None]
KINDS = ("linked", "unlinked", "refused", "unlink_call", "resume", "sorry")


class Refusal(DeliveryFailed):
    """The error that a test makes a handler raise."""

    def __init__(
        self,
        advice: Any = "later",
        *,
        whole_page: bool = False,
        retry_after: float | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(f"scripted {advice}")
        self.advice, self.whole_page, self.retry_after, self.cause = advice, whole_page, retry_after, cause


@dataclass
class Post:
    """A worker over a store, and the outcome of each entry."""

    store: SQLStore
    clock: Clock
    token: str = "token"
    told: list[Happening] = field(default_factory=list)
    done: list[OutboxEntry] = field(default_factory=list)
    answers: dict[str, Exception] = field(default_factory=dict)  # psid -> what sending to them comes to

    def worker(self, handler: Handler | None = None, **given: Any) -> Delivery:
        token = self.token
        handlers = dict.fromkeys(KINDS, handler or self.send)
        handlers = given.pop("handlers", handlers)
        keys = given.pop("keys", lambda page_id: token)
        return Delivery(self.store, handlers, tell=self.told.append, keys=keys, clock=self.clock, **given)

    def send(self, entry: OutboxEntry) -> None:
        if entry.psid in self.answers:
            raise self.answers[entry.psid]
        self.done.append(entry)

    def put(
        self, psid: str = "1", *, page: str = "page", kind: str = "linked", payload: str = "null"
    ) -> None:
        """Add an entry to the outbox."""
        self.put_all([(page, psid, kind, payload)])

    def put_all(self, rows: Sequence[tuple[str, str, str, str]]) -> None:
        def work(tx: Any) -> None:
            for page_id, psid, kind, payload in rows:
                tx.run("queue", page_id=page_id, psid=psid, kind=kind, payload=payload, now=self.clock.ms)

        self.store.engine.write(work)

    @property
    def sent(self) -> list[str]:
        """The people to whom an entry got through, in order."""
        return [entry.psid for entry in self.done]

    @property
    def failures(self) -> list[MessageFailed]:
        return [each for each in self.told if isinstance(each, MessageFailed)]
