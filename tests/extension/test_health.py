"""`/health` for a load balancer, and a log that stays short in an outage."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot_linking import StoreUnavailable
from bot_linking.core import log_throttle
from bot_linking.doors.redaction import OURS, guard_logs, redact
from bot_linking.signals import linking_refused
from bot_linking.stores.store import SQLStore
from tests.bots import Bot, NewBot
from tests.owners.test_callbacks import call
from tests.wire import APP_SECRET, PAGE, PAGE_TOKEN, PSID, batch, linked_event, message_event

ROOT = Path(__file__).parents[2]


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    def fail(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable(f"the database {APP_SECRET} is away")

    with monkeypatch.context() as patched:
        for name in ("pages_revision", "receive", "account_of_code", "find_link"):
            patched.setattr(SQLStore, name, fail)
        yield patched


def test_a_bot_that_can_work_is_ready(bot: Bot) -> None:
    answer = bot.client().get("/linking/health")
    assert (answer.status_code, answer.text) == (200, "ready")
    assert answer.content_type.startswith("text/plain")
    assert answer.headers["Cache-Control"] == "no-store"


def test_without_its_store_it_says_so_in_one_word_and_when_to_ask_again(
    bot: Bot, away: pytest.MonkeyPatch
) -> None:
    answer = bot.client().get("/linking/health")
    assert (answer.status_code, answer.text) == (503, "store")
    assert int(answer.headers["Retry-After"]) > 0
    away.undo()
    assert bot.client().get("/linking/health").status_code == 200


def test_asking_changes_nothing(bot: Bot) -> None:
    bot.client().get("/linking/health")
    before = bot.rows()
    bot.client().get("/linking/health")
    bot.client().head("/linking/health")
    assert bot.rows() == before


def test_it_is_below_the_prefix_and_takes_nothing_but_get(new_bot: NewBot) -> None:
    bot = new_bot(prefix="/accounts")
    assert bot.client().get("/accounts/health").status_code == 200
    assert bot.client().post("/accounts/health").status_code == 405


# Log lines of an outage


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(log_throttle, "_monotonic", lambda: now[0])
    return now


def _away(*_: Any, **__: Any) -> Any:
    raise StoreUnavailable("the database is away")


def test_an_outage_is_a_line_a_second_of_each_kind_with_a_count(
    bot: Bot, away: pytest.MonkeyPatch, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        answer = bot.post(batch(linked_event("c" * 43, at=bot.clock.ms)))
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
    assert len(caplog.records) == 2
    caplog.clear()
    now[0] += log_throttle.PAUSE_S
    bot.post(batch(linked_event("c" * 43, at=bot.clock.ms)))
    assert all("(49 more" in record.getMessage() for record in caplog.records)
    assert len(caplog.records) == 2


def test_refused_codes_are_a_line_a_second_and_every_one_is_told(
    bot: Bot, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        bot.post(batch(linked_event(f"{number:043}", at=bot.clock.ms + number)))
    assert bot.heard.reasons() == ["code_unknown"] * 20
    assert [record.getMessage() for record in caplog.records if "code_unknown" in record.getMessage()] == [
        "linking refused: code_unknown"
    ]


@pytest.mark.parametrize("path", ["data-deletion", "deauthorize"])
def test_what_a_stranger_repeats_at_a_callback_is_a_line_a_second(
    bot: Bot, now: list[float], caplog: pytest.LogCaptureFixture, path: str
) -> None:
    for _ in range(20):
        assert call(bot, path, "not.signed").status_code == 400
    assert len(caplog.records) == 1


@pytest.mark.parametrize("path", ["data-deletion", "deauthorize"])
def test_an_outage_at_a_callback_is_a_line_a_second(
    bot: Bot, now: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(SQLStore, "save_deletion", _away)
    for _ in range(20):
        assert call(bot, path).status_code == 503
    assert len(caplog.records) == 1


def test_what_waits_for_people_is_a_line_a_second_in_an_outage(
    bot: Bot, now: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SQLStore, "has_waiting", lambda store: True)
    monkeypatch.setattr(SQLStore, "waiting_among", _away)
    for _ in range(20):
        assert bot.post(batch(message_event("hello"))).status_code == 200
    assert len(caplog.records) == 1


def test_a_receiver_that_fails_at_each_forged_webhook_is_a_line_a_second(
    bot: Bot, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_app: object, event: object) -> None:
        raise RuntimeError("of the host")

    with linking_refused.connected_to(fail, sender=bot.app):
        for _ in range(20):
            assert bot.post(batch(message_event("hello")), "another-secret").status_code == 403
    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        "a hook or signal receiver failed"
    ]


def test_one_kind_hides_no_other(now: list[float], caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("bot_linking")
    for kind in ("one", "two", "one"):
        log_throttle.log_sparingly(log, logging.WARNING, kind, "of kind %s", kind)
    assert [record.getMessage() for record in caplog.records] == ["of kind one", "of kind two"]


# What never stands in a log


@pytest.mark.parametrize(
    "text",
    [
        "{'authorization_code': 'c0de-of-it', 'status': 'linked'}",
        '{"authorization_code": "c0de-of-it"}',
        '{"authorization_code":"c0de-of-it"}',
        "LinkingEvent(authorization_code='c0de-of-it')",
        'body=b\'{\\"authorization_code\\": \\"c0de-of-it\\"}\'',
        "{'access_token': 'c0de-of-it'}",
        "'Authorization': 'Bearer c0de-of-it'",
        "Authorization: Bearer c0de-of-it",
        "?account_linking_token=c0de-of-it&x=1",
        "signed_request=c0de-of-it",
        "{'verify_token': 'c0de-of-it', 'password': 'c0de-of-it'}",
    ],
)
def test_a_secret_is_masked_in_every_form_that_a_log_may_hold(text: str) -> None:
    assert "c0de-of-it" not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "text", ["the access_token has ended", "a password is needed", "bearer of news", PSID]
)
def test_words_are_left_as_they_are(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("name", ["bot_linking", "bot_linking.external_account", "bot_linking.webhook"])
def test_no_value_ends_a_line_of_ours_and_forges_the_next(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    guard_logs()
    logging.getLogger(name).warning("Graph said: %s", "no\n2026-01-01 ERROR forged\r\x1b[2J\u2028")
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert "\\n2026" in record.getMessage()


@pytest.mark.parametrize("name", ["gunicorn.error", "urllib3", "urllib3.connection", "tests.host"])
def test_a_traceback_in_others_logs_is_masked(bot: Bot, name: str, caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError({"authorization_code": "c0de-of-it", "access_token": PAGE_TOKEN})
    except ValueError:
        logging.getLogger(name).exception("failed on %s", {"access_token": PAGE_TOKEN})
    assert "c0de-of-it" not in caplog.text
    assert PAGE_TOKEN not in caplog.text


def test_every_logger_of_ours_is_masked() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "bot_linking").rglob("*.py"))
    names = set(re.findall(r'getLogger\("(bot_linking[a-z_.]*)"\)', code))
    assert names <= set(OURS) | {"bot_linking.simulator"}
    assert PAGE not in names
