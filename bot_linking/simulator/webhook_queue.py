"""Posts events to the webhook in the background: each person's in order, and again after a failure."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from . import wire
from .events import Event, envelope, kind_of, person_of
from .switches import Switches
from .wire import Delivery

#: Seconds between the tries. Messenger, too, tries again a few times and then gives up.
RETRY_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
#: A batch leaves with this many events, or after so many seconds.
BATCH_SIZE = 3
BATCH_SECONDS = 1.5
_WORKERS = 4
_KEEP = 1000


class Route(Protocol):
    """Where to post and how to sign; read afresh for each try."""

    @property
    def webhook_url(self) -> str: ...
    @property
    def app_secret(self) -> str: ...
    @property
    def page_id(self) -> str: ...
    @property
    def switches(self) -> Switches: ...
    @property
    def clock(self) -> Callable[[], float]: ...


@dataclass(frozen=True)
class _Job:
    """Events to be posted as one body, or a body that a developer has edited or posts again."""

    events: tuple[Event, ...]
    people: frozenset[str]
    body: bytes | None = None


class WebhookQueue:
    """Takes events from any thread and posts them.

    ``on_try`` is called with the outcome of each try, ``on_change`` after the last try of a post.
    """

    def __init__(
        self,
        route: Route,
        on_try: Callable[[Delivery, Sequence[Event]], None],
        on_change: Callable[[], None],
        retry_pauses: Sequence[float],
    ) -> None:
        self._route = route
        self._on_try = on_try
        self._on_change = on_change
        self._pauses = tuple(retry_pauses)
        self._wake = threading.Condition()
        self._stopping = threading.Event()
        self._waiting: list[_Job] = []
        self._under_way: list[_Job] = []
        self._held: list[Event] = []
        self._flush_timer: threading.Timer | None = None
        self._log: deque[Delivery] = deque(maxlen=_KEEP)
        self._number = 0
        self._workers: list[threading.Thread] = []

    def start(self) -> None:
        """Start the delivery threads."""
        self._stopping.clear()
        self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(_WORKERS)]
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """End the delivery threads. What has not been posted yet is dropped."""
        self._stopping.set()
        with self._wake:
            self._waiting.clear()
            self._held.clear()
            self._wake.notify_all()
        for worker in self._workers:
            worker.join(timeout=wire.ANSWER_WITHIN)

    @property
    def deliveries(self) -> list[Delivery]:
        """What was posted, oldest first; the last thousand."""
        with self._wake:
            return list(self._log)

    def busy_for(self, psid: str) -> bool:
        """Tell whether an event of that person has not been delivered or given up yet."""
        with self._wake:
            held = any(person_of(event, self._route.page_id) == psid for event in self._held)
            return held or any(psid in job.people for job in (*self._waiting, *self._under_way))

    def take(self, event: Event) -> None:
        """Accept an event for delivery; returns at once."""
        with self._wake:
            if not self._route.switches.batch:
                self._enqueue([event])
                return
            self._held.append(event)
            if len(self._held) >= BATCH_SIZE:
                self._flush()
            elif self._flush_timer is None:
                self._flush_timer = threading.Timer(BATCH_SECONDS, self.flush)
                self._flush_timer.daemon = True
                self._flush_timer.start()

    def take_body(self, body: bytes, events: Sequence[Event]) -> None:
        """Accept a body to be signed and posted as it is; ``events`` are those in it."""
        with self._wake:
            self._enqueue(list(events), body)

    def flush(self) -> None:
        """Post the held events now, as one body."""
        with self._wake:
            self._flush()

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        held, self._held = self._held, []
        if held:
            self._enqueue(held)

    def _enqueue(self, events: list[Event], body: bytes | None = None) -> None:
        people = frozenset(person_of(event, self._route.page_id) for event in events)
        self._waiting.append(_Job(tuple(events), people, body))
        self._wake.notify_all()

    def _work(self) -> None:
        while not self._stopping.is_set():
            with self._wake:
                job = self._next_job()
                if job is None:
                    self._wake.wait()
                    continue
            try:
                self._post_job(job)
            finally:
                with self._wake:
                    self._under_way.remove(job)
                    self._wake.notify_all()
                self._on_change()

    def _next_job(self) -> _Job | None:
        """Pick the oldest job whose people have no earlier one, so that each person's order is kept."""
        taken = {psid for job in self._under_way for psid in job.people}
        for job in self._waiting:
            if not job.people & taken:
                self._waiting.remove(job)
                self._under_way.append(job)
                return job
            taken |= job.people
        return None

    def _post_job(self, job: _Job) -> None:
        if self._stopping.wait(self._route.switches.delay):
            return
        body = self._envelope(job) if job.body is None else job.body
        self._deliver(job, body)
        if job.body is None and self._route.switches.redeliver:
            self._deliver(job, body)  # the same bytes: a 200 that came too late
            self._deliver(job, self._envelope(job))  # the same event in a newer envelope

    def _envelope(self, job: _Job) -> bytes:
        return envelope(job.events, self._route.page_id, int(self._route.clock() * 1000))

    def _deliver(self, job: _Job, body: bytes) -> None:
        delivery = self._open(job, body)
        for pause in (*self._pauses, None):
            delivery = self._try(delivery)
            self._note(delivery if pause is not None or delivery.accepted else _given_up(delivery), job)
            if delivery.accepted or pause is None:
                return
            if self._stopping.wait(pause):
                self._note(_given_up(delivery), job)
                return

    def _open(self, job: _Job, body: bytes) -> Delivery:
        with self._wake:
            self._number += 1
            number = self._number
        kinds = tuple(kind_of(event) for event in job.events)
        return Delivery(number, body, kinds, tuple(sorted(job.people)), signature="")

    def _try(self, delivery: Delivery) -> Delivery:
        route = self._route
        secret = f"not-{route.app_secret}" if route.switches.wrong_signature else route.app_secret
        signature = wire.sign(delivery.body, secret)
        begun, url = route.clock(), route.webhook_url
        answer = wire.post(url, delivery.body, wire.headers_for(signature))
        return replace(
            delivery,
            signature=signature,
            status=answer.status,
            error=answer.error,
            tries=delivery.tries + 1,
            when=begun,
            url=url,
            answer=answer,
        )

    def _note(self, delivery: Delivery, job: _Job) -> None:
        with self._wake:
            for place, known in enumerate(self._log):
                if known.number == delivery.number:
                    self._log[place] = delivery
                    break
            else:
                self._log.append(delivery)
        self._on_try(delivery, job.events)


def _given_up(delivery: Delivery) -> Delivery:
    return replace(delivery, given_up=True)
