"""Prometheus' numbers, and one log line with a slug for each refusal."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import timeit
from pathlib import Path
from time import perf_counter

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client as WSGIClient

from bot_linking import GraphError, SignatureRefused, metrics, signals
from bot_linking.core import log_throttle
from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.events import WebhookReceived
from bot_linking.core.identifiers import Identifiers
from bot_linking.messenger import inbox, webhook
from tests.bots import Bot, NewBot
from tests.wire import (
    APP_SECRET,
    OTHER_PSID,
    PAGE,
    PAGE_TOKEN,
    PSID,
    batch,
    linked_event,
    message_event,
    signature,
    unlinked_event,
)


class Watched:
    """A bot with a registry of its own."""

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self.registry = CollectorRegistry()
        metrics.watch(bot.linking, self.registry)

    def text(self) -> str:
        return generate_latest(self.registry).decode()

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"bot_linking_{name}", labels)


@pytest.fixture
def watched(bot: Bot) -> Watched:
    return Watched(bot)


@pytest.fixture
def _calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the refusals of other tests."""
    monkeypatch.setattr(log_throttle, "_throttle", log_throttle.LogThrottle())


def test_each_webhook_is_counted_by_what_it_came_to(watched: Watched) -> None:
    bot = watched.bot
    bot.link()
    bot.post(batch(message_event("hello")))
    bot.post(batch(message_event("hello"), unlinked_event(at=bot.clock.ms + 1)))
    bot.post(batch(message_event("forged")), secret="x" * 32)
    bot.post(b"{")
    bot.post(b" " * (1 << 20) + b"{}")
    found = {
        result: watched.value("webhooks_total", result=result)
        for result in ("linking", "other", "signature_refused", "payload_unreadable", "payload_too_large")
    }
    assert found == {
        "linking": 2, "other": 1, "signature_refused": 1, "payload_unreadable": 1, "payload_too_large": 1,
    }  # fmt: skip


def test_a_webhook_that_could_not_be_recorded_is_counted_so(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(watched.bot.linking.store, "receive", away)
    assert watched.bot.post(batch(unlinked_event(at=1))).status_code == 503
    assert watched.value("webhooks_total", result="store_unavailable") == 1
    assert watched.value("webhooks_total", result="linking") is None


def test_the_decorated_view_and_receive_count_alike(new_bot: NewBot) -> None:
    app = Flask("tests.host")
    bot = new_bot(app)
    app.add_url_rule("/bot", view_func=bot.linking.webhook(lambda: "ok"), endpoint="bot")
    watched = Watched(bot)
    linking, other = batch(unlinked_event(at=1)), batch(message_event("hello"))
    for body in (linking, other):
        assert bot.post(body, path="/bot").status_code == 200
        bot.linking.receive(body, {"X-Hub-Signature-256": signature(body)})
    bot.post(other, path="/bot", secret="x" * 32)
    with pytest.raises(SignatureRefused):
        bot.linking.receive(other, {"X-Hub-Signature-256": signature(other, "x" * 32)})
    for result in ("linking", "other", "signature_refused"):
        assert watched.value("webhooks_total", result=result) == 2, result


def test_no_event_is_made_for_a_webhook_while_nobody_listens(
    new_bot: NewBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals.webhook_received, "receivers", {})
    bot, made = new_bot(), list[str]()
    signals.webhook_received.disconnect(bot.heard.hear)
    monkeypatch.setattr("bot_linking.messenger.inbox.WebhookReceived", made.append)
    bot.post(batch(message_event("hello")))
    bot.post(batch(unlinked_event(at=1)))
    bot.post(b"{")
    assert made == []


def test_asking_whether_anybody_listens_costs_less_than_a_microsecond() -> None:
    listeners = signals.webhook_received.receivers
    best = min(timeit.repeat("if listeners: pass", globals={"listeners": listeners}, number=1000, repeat=5))
    assert best / 1000 < 1e-6


def test_links_and_unlinks_are_counted_by_who_said_so(watched: Watched) -> None:
    bot = watched.bot
    bot.link()
    bot.linking.core.bind(OTHER_PSID, Identifiers(username="grace"), PAGE, source="api")
    bot.linking.core.bind(OTHER_PSID, Identifiers(email="g@example.com"), PAGE, source="api")
    bot.linking.core.bind(OTHER_PSID, Identifiers(email="g@example.com"), PAGE, source="api")
    bot.post(batch(unlinked_event(at=bot.clock.ms + 1)))
    bot.linking.unlink(OTHER_PSID)
    bot.linking.erase(PSID)
    assert watched.value("links_total", source="login") == 1
    assert watched.value("links_total", source="api") == 1
    assert watched.value("changes_total") == 1
    assert watched.value("ignored_total", reason="unchanged") == 1
    assert watched.value("unlinks_total", source="messenger") == 1
    assert watched.value("unlinks_total", source="python") == 1
    assert watched.value("erasures_total") == 1


def test_refusals_are_counted_by_their_slug(watched: Watched) -> None:
    watched.bot.post(batch(linked_event("A" * 43, at=1)))
    watched.bot.post(batch(linked_event("B" * 43, at=2)))
    assert watched.value("refusals_total", reason="code_unknown") == 2


def test_prompts_and_cancellations_are_counted(watched: Watched) -> None:
    watched.bot.linking.prompt_login(PSID)
    browser = watched.bot.browser()
    browser.open()
    browser.submit("cancel")
    assert watched.value("logins_total", what="prompted") == 1
    assert watched.value("logins_total", what="cancelled") == 1


def test_messages_are_counted_by_kind_and_result_and_their_wait_is_measured(watched: Watched) -> None:
    bot = watched.bot
    bot.link()
    bot.graph.down = True
    bot.linking.delivery.drain()
    bot.graph.down = False
    bot.clock.advance(45)
    bot.linking.delivery.drain()
    bot.graph.failures["me/messages"] = {"code": 551, "error_subcode": 1545041, "type": "OAuthException"}
    bot.post(batch(unlinked_event(at=bot.clock.ms + 1)))
    bot.linking.delivery.drain()
    assert watched.value("messages_total", kind="linked", result="failed") == 1
    assert watched.value("messages_total", kind="linked", result="sent") == 1
    assert watched.value("messages_total", kind="unlinked", result="dead") == 1
    assert watched.value("message_wait_seconds_sum", kind="linked") == 45
    assert watched.value("message_wait_seconds_bucket", kind="linked", le="30.0") == 0
    assert watched.value("message_wait_seconds_bucket", kind="linked", le="60.0") == 1
    assert watched.value("outbox_dead") == 1


def test_what_graph_refused_or_did_not_answer_is_counted_by_its_numbers(new_bot: NewBot) -> None:
    watched = Watched(new_bot(Flask("answered")))
    bot = watched.bot
    bot.graph.failures["me/messages"] = {"code": 190, "type": "OAuthException"}
    bot.link()
    bot.linking.delivery.drain()
    bot.graph.down = True
    with pytest.raises(GraphError):
        bot.linking.bot.send_text_message(PSID, "hello")
    bot.graph.down = False
    bot.graph.failures["me"] = {"code": 10303, "type": "OAuthException"}
    browser = bot.browser()
    browser.open("AR-not-asked-of-yet")
    browser.sign_in()
    assert watched.value("graph_errors_total", status="400", code="190") == 1
    assert watched.value("graph_errors_total", status="503", code="2") == 1
    assert watched.value("graph_errors_total", status="400", code="10303") == 1

    silent = Watched(new_bot(Flask("silent"), GRAPH_URL="http://127.0.0.1:9"))
    with pytest.raises(GraphError):
        silent.bot.linking.bot.send_text_message(PSID, "hello")
    assert silent.value("graph_errors_total", status="none", code="none") == 1


def test_the_time_of_a_webhook_is_ours_alone(new_bot: NewBot, monkeypatch: pytest.MonkeyPatch) -> None:
    app, seconds = Flask("tests.host"), [0.0]
    bot = new_bot(app)
    for module in (inbox, webhook):
        monkeypatch.setattr(module, "perf_counter", lambda: seconds[0] + perf_counter())

    @app.post("/bot")
    @bot.linking.webhook
    def slow() -> str:
        seconds[0] += 60.0
        return "ok"

    watched = Watched(bot)
    bot.post(batch(message_event("hello")), path="/bot")
    bot.post(batch(linked_event("A" * 43, at=1)), path="/bot")
    bot.post(b"{}", path="/bot", secret="x" * 32)
    for result in ("other", "linking", "signature_refused"):
        assert watched.value("webhook_seconds_count", result=result) == 1
        took = watched.value("webhook_seconds_sum", result=result)
        assert took is not None
        assert 0 < took < 60


def test_the_outbox_is_read_at_each_scrape(watched: Watched) -> None:
    bot = watched.bot
    assert (watched.value("outbox_messages"), watched.value("outbox_oldest_seconds")) == (0, 0)
    bot.link()
    bot.clock.advance(90)
    assert (watched.value("outbox_messages"), watched.value("outbox_oldest_seconds")) == (1, 90)
    bot.graph.failures["me/messages"] = {"code": 190, "type": "OAuthException"}
    bot.linking.delivery.drain()
    assert watched.value("outbox_held") == 1
    assert watched.value("store_up") == 1


def test_a_store_that_is_away_is_a_zero_and_no_error(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.bot.link()

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as fault:
        fault.setattr(watched.bot.linking.store.engine, "read", away)
        assert watched.value("store_up") == 0
        assert "bot_linking_outbox_messages" not in watched.text()
        assert watched.value("links_total", source="login") == 1
    assert (watched.value("store_up"), watched.value("outbox_messages")) == (1, 1)


def test_watching_begins_even_while_the_store_is_away(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry describes itself without asking the store."""

    def away() -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(bot.linking.store, "outbox_depth", away)
    metrics.watch(bot.linking, CollectorRegistry(auto_describe=True))


def test_two_apps_in_one_process_count_apart(new_bot: NewBot, tmp_path: Path) -> None:
    first = Watched(new_bot(Flask("first")))
    second = Watched(new_bot(Flask("second"), DATABASE=f"sqlite:///{tmp_path}/second.db"))
    first.bot.link()
    assert (first.value("links_total", source="login"), first.value("outbox_messages")) == (1, 1)
    assert (second.value("links_total", source="login"), second.value("outbox_messages")) == (None, 0)


def test_one_registry_cannot_be_used_twice(watched: Watched) -> None:
    with pytest.raises(ValueError, match="Duplicated"):
        metrics.watch(watched.bot.linking, watched.registry)


def test_nothing_that_is_counted_names_a_person_an_account_a_page_or_a_secret(watched: Watched) -> None:
    bot = watched.bot
    bot.link()
    bot.linking.delivery.drain()
    bot.linking.prompt_login(PSID)
    bot.post(batch(linked_event("A" * 43, at=1)), secret="x" * 32)
    bot.graph.failures["me/messages"] = {"code": 190, "type": "OAuthException"}
    bot.linking.delivery.drain()
    bot.linking.unlink(PSID)
    text = watched.text()
    for private in (PSID, PAGE, PAGE_TOKEN, APP_SECRET, "ada", "x" * 32):
        assert private not in text
    labels = {
        label
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for label in sample.labels
    }
    assert labels == {"result", "reason", "source", "kind", "le", "what", "stage", "way"}


def test_no_route_is_added_and_the_host_serves_it_where_it_likes(watched: Watched) -> None:
    rules = [rule.rule for rule in watched.bot.app.url_map.iter_rules()]
    assert not [rule for rule in rules if "metrics" in rule]
    answer = WSGIClient(make_wsgi_app(watched.registry)).get("/")
    assert answer.status_code == 200
    assert "bot_linking_store_up 1.0" in answer.text


def test_a_receiver_that_fails_harms_neither_the_webhook_nor_the_numbers(watched: Watched) -> None:
    def fail(_app: object, event: object) -> None:
        raise RuntimeError("the host's own mistake")

    signals.webhook_received.connect(fail, sender=watched.bot.app)
    assert watched.bot.post(batch(message_event("hello"))).status_code == 200
    assert watched.value("webhooks_total", result="other") == 1


def test_the_package_does_not_need_the_client_until_it_is_asked() -> None:
    code = "import sys, bot_linking; assert 'prometheus_client' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_several_processes_are_summed_by_the_clients_own_way(tmp_path: Path) -> None:
    """With PROMETHEUS_MULTIPROC_DIR one scrape has the sum of two workers' counters, and the outbox once."""
    counts = tmp_path / "counts"
    counts.mkdir()
    environment = os.environ | {
        "PROMETHEUS_MULTIPROC_DIR": str(counts),
        "BOT_LINKING_APP_SECRET": APP_SECRET, "BOT_LINKING_PAGE_ACCESS_TOKEN": PAGE_TOKEN,
        "BOT_LINKING_VERIFY_TOKEN": "verify-token-of-the-metrics", "BOT_LINKING_PUBLIC_URL": "http://127.0.0.1:1",
        "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db", "BOT_LINKING_DELIVERY": "worker",
        "BOT_LINKING_PAGE_ID": PAGE,
    }  # fmt: skip
    code = textwrap.dedent(
        f"""
        import sys
        from flask import Flask
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector
        from bot_linking import AccountLinking, metrics
        from bot_linking.core.identifiers import Identifiers

        app = Flask("host")
        linking = AccountLinking(app)
        metrics.watch(linking)
        linking.core.bind(sys.argv[1], Identifiers(username="ada"), "{PAGE}", source="api")
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        registry.register(metrics.outbox(linking))
        print(generate_latest(registry).decode())
        """
    )
    for psid in (PSID, OTHER_PSID):
        said = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, psid],
            env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=60,
        ).stdout  # fmt: skip
    assert 'bot_linking_links_total{source="api"} 2.0' in said
    assert "bot_linking_outbox_messages 2.0" in said


# Logs


def refusals(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.message.startswith("linking refused")]


@pytest.mark.usefixtures("_calm")
def test_each_refusal_is_one_record_with_its_slug_and_page_and_no_psid(
    bot: Bot, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they are a second apart."""
    for number in range(3):
        monkeypatch.setattr(log_throttle, "_monotonic", lambda number=number: 1e9 + number * 2)
        bot.post(batch(linked_event("A" * 43, at=number)))
    assert len(refusals(caplog)) == 3
    for record in refusals(caplog):
        fields = vars(record)
        assert (fields["reason"], fields["page_id"]) == ("code_unknown", PAGE)
        assert record.name == "bot_linking"
        assert PSID not in str(fields)


@pytest.mark.usefixtures("_calm")
def test_forged_webhooks_cannot_flood_the_log(
    bot: Bot, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line a second says how many were left out; the counter counts each."""
    now = [100.0]
    monkeypatch.setattr(log_throttle, "_monotonic", lambda: now[0])
    for _ in range(42):
        bot.post(batch(message_event("forged")), secret="x" * 32)
    assert [record.message for record in refusals(caplog)] == ["linking refused: signature_refused"]
    now[0] += log_throttle.PAUSE_S
    for _ in range(2):
        bot.post(batch(message_event("forged")), secret="x" * 32)
    last = refusals(caplog)[-1]
    assert len(refusals(caplog)) == 2
    assert last.message == "linking refused: signature_refused (41 more since the last line)"
    assert vars(last)["left_out"] == 41
    assert bot.heard.reasons() == ["signature_refused"] * 44


@pytest.mark.usefixtures("_calm")
def test_a_flood_of_one_kind_hides_no_other(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        bot.post(batch(message_event("forged")), secret="x" * 32)
        bot.post(b" " * (1 << 20) + b"{}")
        bot.post(b"{")
    said = [vars(record)["reason"] for record in refusals(caplog)]
    assert said == ["signature_refused", "payload_too_large", "payload_unreadable"]


def test_the_new_event_is_frozen_and_plain() -> None:
    with pytest.raises(AttributeError):
        WebhookReceived("other", 0.001).result = "linking"  # type: ignore[misc]
