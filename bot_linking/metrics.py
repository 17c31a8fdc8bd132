"""Prometheus metrics of what the signals tell, and of what waits in the outbox.

    from bot_linking import metrics

    metrics.watch(linking)  # after the blueprint's registration; the extra `bot-linking[metrics]`

The counters hold what this process did; the outbox is read from the store at each scrape. No label holds a
PSID, an account, a page's id or a token. This module adds no route: the host serves its own registry.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot_linking import signals
from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.events import MessageSent, WebhookReceived, result_of
from bot_linking.core.ports.tallies import CHECK, CHECK_LOOKED, CHECK_WRONG, TrafficCount

if TYPE_CHECKING:
    from flask import Flask

    from bot_linking.extension import AccountLinking
    from bot_linking.installation import Installation
    from bot_linking.stores.store import SQLStore

HOUR_MS = 3_600_000
WEBHOOKS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
WAITS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21_600, 86_400)
_UP = ("bot_linking_store_up", "1 when the store answered this scrape")
_CHECK = (
    "bot_linking_check_wrong",
    "Wrong things that flask linking check --watch found last",
)
_OUTBOX = {
    "depth": ("bot_linking_outbox_messages", "What waits in the outbox, held ones included"),
    "oldest": ("bot_linking_outbox_oldest_seconds", "Age of the oldest that waits, 0 when nothing does"),
    "held": ("bot_linking_outbox_held", "What waits until the page or the app is mended"),
    "waiting": ("bot_linking_outbox_waiting", "What waits for its person to write"),
    "dead": ("bot_linking_outbox_dead", "Dead letters: see flask linking dead-letters"),
}


def watch(linking: AccountLinking, registry: CollectorRegistry | None = None) -> None:
    """Count what happens in one app from now on, in `registry` (prometheus_client's own by default).

    With one AccountLinking in several apps, call it in the app's context. Each app of a process needs a
    registry of its own: with the same one prometheus_client raises `ValueError`.
    """
    here = linking._here()
    registry = registry or REGISTRY
    registry.register(Outbox(weakref.ref(here)))
    _count(here.app, registry)


def outbox(linking: AccountLinking) -> Collector:
    """The outbox alone, for the registry that prometheus_client's multi-process mode makes at each scrape."""
    return Outbox(weakref.ref(linking._here()))


class Outbox(Collector):
    """The outbox at the time of a scrape. While the store is away there is only `bot_linking_store_up 0`; of
    an app that was dropped there is nothing, and no registry keeps one alive."""

    def __init__(self, still: weakref.ref[Installation]) -> None:
        self._still = still

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(*_UP)
        yield GaugeMetricFamily(*_CHECK)
        for name, meaning in _OUTBOX.values():
            yield GaugeMetricFamily(name, meaning)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if (here := self._still()) is not None:
            now = here.linking.now()
            yield from _outbox(here.store, now)
            yield from _check(here.store, now)


def _outbox(store: SQLStore, now: int) -> Iterator[GaugeMetricFamily]:
    try:
        found: dict[str, Any] | None = store.outbox_depth() | {"waiting": store.count_waiting()}
    except StoreUnavailable:
        found = None
    yield GaugeMetricFamily(*_UP, value=int(found is not None))
    if found is not None:
        oldest = found["oldest"]
        found["oldest"] = 0 if oldest is None else max(0, now - oldest) / 1000
        for field, (name, meaning) in _OUTBOX.items():
            yield GaugeMetricFamily(name, meaning, value=found[field])


def _check(store: SQLStore, now: int) -> Iterator[GaugeMetricFamily]:
    """How many things are wrong; nothing unless `check --watch` has looked within the hour."""
    try:
        traffic = store.read_traffic(now - HOUR_MS)
    except StoreUnavailable:
        return
    looked = [count.minute for count in traffic if (count.kind, count.result) == (CHECK, CHECK_LOOKED)]
    if looked:
        minute = max(looked)
        wrong = traffic.get(TrafficCount(minute, CHECK, CHECK_WRONG), 0)
        times = traffic[TrafficCount(minute, CHECK, CHECK_LOOKED)]
        yield GaugeMetricFamily(*_CHECK, value=round(wrong / times))


def _count(app: Flask, registry: CollectorRegistry) -> None:
    """Connect a counter to each signal."""

    def counter(name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"bot_linking_{name}", meaning, labels, registry=registry)

    def count(signal: Any, into: Counter, *labels_of: Callable[[Any], str]) -> None:
        def hear(_app: object, event: Any) -> None:
            (into.labels(*(label(event) for label in labels_of)) if labels_of else into).inc()

        signal.connect(hear, sender=app)

    webhooks = counter("webhooks", "Webhooks: linking, other, or the slug of the refusal", "result")
    refusals = counter("refusals", "What was turned away, by slug", "reason")
    ignored = counter("ignored", "Events that changed nothing: duplicate, stale, ...", "reason")
    links = counter("links", "People linked, by who said so", "source")
    changes = counter("changes", "Links whose account is known by something else now")
    unlinks = counter("unlinks", "Links ended, by who said so", "source")
    logins = counter("logins", "Log In buttons sent, and logins left with Cancel", "what")
    stages = counter("funnel", "People who came to a stage of linking", "stage", "way")
    messages = counter("messages", "Outbox entries: sent, failed (tried again) or dead", "kind", "result")
    graph_errors = counter("graph_errors", "Calls of Graph's that failed; none: no answer", "status", "code")
    erasures = counter("erasures", "People erased")

    count(signals.webhook_received, webhooks, lambda event: str(event.result))
    count(signals.linking_refused, refusals, lambda event: str(event.reason))
    count(signals.event_ignored, ignored, lambda event: str(event.reason))
    count(signals.stage_reached, stages, lambda event: event.stage, lambda event: event.way)
    count(signals.account_linked, links, lambda event: str(event.link.source))
    count(signals.link_changed, changes)
    count(signals.account_unlinked, unlinks, lambda event: str(event.source))
    count(signals.login_prompted, logins, lambda event: "prompted")
    count(signals.login_cancelled, logins, lambda event: "cancelled")
    count(signals.message_sent, messages, lambda event: event.kind, result_of)
    count(signals.message_failed, messages, lambda event: event.kind, result_of)
    count(
        signals.graph_failed,
        graph_errors,
        lambda event: _label(event.status),
        lambda event: _label(event.code),
    )
    count(signals.person_erased, erasures)
    _measure_times(app, registry)


def _measure_times(app: Flask, registry: CollectorRegistry) -> None:
    wait = Histogram(
        "bot_linking_message_wait_seconds",
        "From writing an outbox entry to its delivery",
        ("kind",),
        registry=registry,
        buckets=WAITS_S,
    )
    webhook = Histogram(
        "bot_linking_webhook_seconds",
        "A webhook, without the bot's own part",
        ("result",),
        registry=registry,
        buckets=WEBHOOKS_S,
    )

    def hear_sent(_app: object, event: MessageSent) -> None:
        wait.labels(event.kind).observe(event.waited)

    def hear_webhook(_app: object, event: WebhookReceived) -> None:
        webhook.labels(event.result).observe(event.seconds)

    signals.message_sent.connect(hear_sent, sender=app)
    signals.webhook_received.connect(hear_webhook, sender=app)


def _label(number: int | None) -> str:
    return "none" if number is None else str(number)
