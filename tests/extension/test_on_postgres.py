"""The whole flow, from the Log In button to the confirmation, on PostgreSQL."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bot_linking.core.errors import ConfigurationError
from tests import postgres
from tests.bots import Bot, NewBot
from tests.wire import PSID, batch, linked_event, unlinked_event

psycopg = pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")

from bot_linking.stores.postgres.pool import PATIENCE_S, Connection  # noqa: E402
from bot_linking.stores.postgres.sessions import LOCK_S  # noqa: E402


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.schema_with_tables() as address:
        yield address


@pytest.fixture
def bot(new_bot: NewBot, url: str) -> Bot:
    return new_bot(DATABASE=url)


def test_a_person_links_is_greeted_and_unlinks(bot: Bot) -> None:
    bot.link()
    bot.linking.delivery.drain()
    assert len(bot.graph.sent) == 1
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == "1"
    bot.post(batch(unlinked_event(at=bot.clock.ms + 1)))
    bot.linking.delivery.drain()
    assert bot.linking.link_of(PSID) is None
    assert [change.what for change in bot.linking.history_of(PSID)] == ["linked", "unlinked"]
    assert len(bot.graph.sent) == 2


def test_a_second_process_serves_what_the_first_began(bot: Bot, new_bot: NewBot, url: str) -> None:
    """Sign-in, consent, webhook and sending are each done by another process."""
    others = [new_bot(DATABASE=url) for _ in range(3)]
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    cookies = browser.client._cookies
    browser.client = others[0].app.test_client()
    browser.client._cookies = cookies
    code = browser.consent().rpartition("authorization_code=")[2]
    assert others[1].post(batch(linked_event(code, at=bot.clock.ms))).status_code == 200
    others[2].linking.delivery.drain()
    assert bot.linking.link_of(PSID) is not None
    assert len(bot.graph.sent) == 1


@pytest.mark.usefixtures("product_waits")
def test_a_database_that_is_locked_makes_the_webhook_503_within_four_seconds_and_loses_nothing(
    bot: Bot, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = batch(linked_event(bot.browser().code(), at=bot.clock.ms))
    waits, wait = list[BaseException](), Connection.wait

    def noted(*given: Any, **more: Any) -> Any:
        try:
            return wait(*given, **more)
        except Exception as problem:
            waits.append(problem)
            raise

    monkeypatch.setattr(Connection, "wait", noted)
    with psycopg.connect(url) as other:
        other.execute("lock table codes in access exclusive mode")
        answer = bot.post(event)
        other.rollback()
    assert len(waits) == 1
    assert LOCK_S < PATIENCE_S < 4  # the longest that one wait can take
    assert answer.status_code == 503
    assert answer.text == "the store is not available\n"
    assert bot.post(event).status_code == 200
    assert bot.linking.link_of(PSID) is not None


def test_sixteen_webhooks_at_once_link_once(bot: Bot) -> None:
    event = batch(linked_event(bot.browser().code(), at=bot.clock.ms))
    status = list[int]()
    threads = [threading.Thread(target=lambda: status.append(bot.post(event).status_code)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert status == [200] * 16
    assert len(bot.heard.of("AccountLinked")) == 1


def test_migrate_says_what_it_did_and_then_that_there_is_nothing_to_do(new_bot: NewBot) -> None:
    with postgres.empty_schema() as url:
        first = new_bot(DATABASE=url).app.test_cli_runner().invoke(args=["linking", "migrate"])
        again = new_bot(DATABASE=url).app.test_cli_runner().invoke(args=["linking", "migrate"])
    assert first.exit_code == 0
    assert first.stdout.splitlines()[0] == "bot_linking schema_0001"
    assert "step(s) applied" in first.stderr
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "the store is up to date\n")


def test_migrate_does_the_same_for_a_file(bot: Bot, new_bot: NewBot) -> None:
    bot = new_bot()
    first = bot.app.test_cli_runner().invoke(args=["linking", "migrate"])
    assert first.stdout.splitlines()[0] == "bot_linking schema_0001"
    again = new_bot().app.test_cli_runner().invoke(args=["linking", "migrate"])
    assert again.stderr == "the store is up to date\n"


def test_without_the_driver_the_setting_is_refused_with_the_way_to_mend_it(
    new_bot: NewBot, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(ConfigurationError) as caught:
            new_bot(DATABASE=url)
    assert "bot-linking[postgres]" in str(caught.value)
