"""Pages that are added, changed and removed while the bot runs, in all of its processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from secrets import token_hex
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug.test import TestResponse

from bot_linking import ConfigurationError, KnownPage, PageRefused, PageUnknown, StoreUnavailable
from bot_linking.account_link_api.keys import Keys
from bot_linking.core.identifiers import Identifiers
from bot_linking.messenger import pages as registry
from bot_linking.messenger.graph import GraphError
from bot_linking.operators.checkup import checkup
from tests.account_link_api.calls import Caller
from tests.bots import Bot, NewBot
from tests.extension.test_several_pages import BAD_TOKEN, PERSON, TwoPages
from tests.owners.test_callbacks import call, state_of
from tests.owners.test_callbacks import signed_request as callback_of
from tests.people import ADA, Site
from tests.ways.test_pages import enter
from tests.ways.test_pages import signed_request as context_of
from tests.wire import (
    APP_SECRET,
    PAGE,
    PAGE_TOKEN,
    TOKEN,
    VERIFY_TOKEN,
    batch,
    linked_event,
    message_event,
    unlinked_event,
)

KEY, NEWER_KEY = "the-key-of-added-pages-0123456789", "a-newer-key-of-added-pages-987654321"
NEW, SHARED = "555", "666"  # the latter under the configured page's app, in some tests
FIRST = {
    "access_token": "token-of-page-new",
    "app_secret": "secret-of-page-new",
    "verify_token": "verify-new",
}
SECOND = {"access_token": "token-anew", "app_secret": "secret-anew", "verify_token": "verify-anew"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every question look into the store. Another test shows that this happens every two seconds."""
    monkeypatch.setattr(registry, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(registry, "LOOK_AFTER_FAILURE_S", 0.0)


@pytest.fixture
def scripted(httpserver: HTTPServer) -> TwoPages:
    graph = TwoPages(httpserver)
    graph.linking_tokens[TOKEN] = NEW
    graph.pages |= {FIRST["access_token"]: NEW, SECOND["access_token"]: NEW}
    return graph


@pytest.fixture
def bot(new_bot: NewBot) -> Bot:
    return new_bot(PAGE_KEYS=KEY)


@pytest.fixture
def other(new_bot: NewBot, bot: Bot) -> Bot:
    """Another process of the same bot."""
    return new_bot(PAGE_KEYS=KEY)


def post(bot: Bot, secret: str, page: str = NEW) -> int:
    return bot.post(batch(message_event("hi", page=page), page=page), secret).status_code


def link(bot: Bot, secret: str) -> None:
    code = bot.browser().code(TOKEN)
    event = linked_event(code, psid=PERSON, page=NEW, at=bot.clock.ms)
    assert bot.post(batch(event, page=NEW), secret).status_code == 200


def handshake(bot: Bot, token: str) -> TestResponse:
    query = {"hub.mode": "subscribe", "hub.challenge": "42", "hub.verify_token": token}
    return bot.client().get("/linking/webhook", query_string=query)


# Add


def test_an_added_page_is_served_at_once_and_by_other_processes(bot: Bot, other: Bot) -> None:
    for each in (bot, other):
        assert post(each, FIRST["app_secret"]) == 403
    bot.linking.pages.add(NEW, **FIRST)
    for each in (bot, other):
        assert post(each, FIRST["app_secret"]) == 200
        assert handshake(each, FIRST["verify_token"]).status_code == 200
    link(other, FIRST["app_secret"])
    bot.linking.delivery.drain()
    assert bot.graph.greeted == [NEW]  # type: ignore[attr-defined]
    assert other.linking.link_of(PERSON, NEW) is not None


def test_the_configured_page_is_served_as_before(bot: Bot) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    assert post(bot, APP_SECRET, PAGE) == 200
    assert bot.linking.link_of(PERSON, PAGE) is None


def test_with_a_second_page_nothing_is_guessed_any_more(bot: Bot, other: Bot) -> None:
    assert bot.linking.bot is not None
    bot.linking.pages.add(NEW, **FIRST)
    for each in (bot, other):
        with pytest.raises(PageUnknown):
            _ = each.linking.bot
        assert each.linking.core.page_id is None


def test_a_page_of_one_app_cannot_speak_for_another_page(bot: Bot) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    event = linked_event("c" * 43, psid=PERSON, page=PAGE, at=bot.clock.ms)
    assert bot.post(batch(event, page=PAGE), FIRST["app_secret"]).status_code == 200
    assert bot.heard.reasons() == ["event_not_ours"]


def test_a_bot_may_have_no_page_but_those_that_are_added(new_bot: NewBot) -> None:
    single = ("PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID")
    bot = new_bot(PAGE_KEYS=KEY, **dict.fromkeys(single))
    with pytest.raises(PageUnknown, match="no page"):
        _ = bot.linking.bot
    assert post(bot, FIRST["app_secret"]) == 403
    bot.linking.pages.add(NEW, **FIRST)
    link(bot, FIRST["app_secret"])
    assert bot.linking.link_of(PERSON) is not None


# What is refused


@pytest.mark.parametrize("page", [PAGE, "", "a b", "1/2"])
def test_a_configured_page_and_what_is_no_page_are_left_alone(bot: Bot, page: str) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: bot.linking.pages.add(page, **FIRST),
        lambda: bot.linking.pages.rotate(page, **FIRST),
        lambda: bot.linking.pages.finish(page),
        lambda: bot.linking.pages.remove(page),
    ]
    for verb in verbs:
        with pytest.raises(PageRefused, match="configuration" if page == PAGE else "not a page id"):
            verb()
    assert [known.page_id for known in bot.linking.pages.list()] == [PAGE]


@pytest.mark.parametrize("name", ["access_token", "app_secret", "verify_token"])
@pytest.mark.parametrize("value", ["", " ", "changeme", "simulator-secret-of-one"])
def test_what_is_no_secret_is_refused_by_its_name(
    settings: dict[str, Any], new_bot: NewBot, name: str, value: str
) -> None:
    bot = new_bot(PAGE_KEYS=KEY, GRAPH_URL="https://graph.facebook.com")
    if value.startswith("simulator") and name == "verify_token":
        return
    with pytest.raises(PageRefused, match="(?i)" + name) as refused:
        bot.linking.pages.add(NEW, **FIRST | {name: value})
    assert not value.strip() or value not in str(refused.value)
    assert len(bot.linking.pages.list()) == 1


@pytest.mark.parametrize("name", ["access_token", "app_secret", "verify_token"])
@pytest.mark.parametrize("mark", ["\ufeff", "\r", "\0", "\x01", "\x0b", "\udcff"], ids=ascii)
def test_what_could_not_be_sent_is_neither_added_nor_rotated_to(bot: Bot, name: str, mark: str) -> None:
    spoilt = {name: f"long-enough{mark}spoilt-value"}
    with pytest.raises(PageRefused, match=name) as refused:
        bot.linking.pages.add(NEW, **FIRST | spoilt)
    assert "spoilt" not in str(refused.value)
    bot.linking.pages.add(NEW, **FIRST)
    with pytest.raises(PageRefused, match=name) as refused:
        bot.linking.pages.rotate(NEW, **spoilt)
    assert "spoilt" not in str(refused.value)
    assert post(bot, FIRST["app_secret"]) == 200


@pytest.mark.parametrize("token", ["EAAt ok", "EAAtŁok"])
def test_an_access_token_is_ascii_without_blanks(bot: Bot, token: str) -> None:
    with pytest.raises(PageRefused, match="access_token is not ASCII text without blanks"):
        bot.linking.pages.add(NEW, **FIRST | {"access_token": token})


def test_a_page_is_added_once(bot: Bot) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    with pytest.raises(PageRefused, match="there already"):
        bot.linking.pages.add(NEW, **SECOND)
    assert post(bot, FIRST["app_secret"]) == 200


def test_what_is_not_there_cannot_be_changed(bot: Bot) -> None:
    assert bot.linking.pages.remove(NEW) is False
    with pytest.raises(PageRefused, match="no page"):
        bot.linking.pages.rotate(NEW, **FIRST)
    with pytest.raises(PageRefused, match="no page"):
        bot.linking.pages.finish(NEW)


def test_without_a_key_nothing_is_added_and_the_error_names_it(new_bot: NewBot) -> None:
    bot = new_bot()
    with pytest.raises(ConfigurationError, match="BOT_LINKING_PAGE_KEYS is missing"):
        bot.linking.pages.add(NEW, **FIRST)
    assert [known.page_id for known in bot.linking.pages.list()] == [PAGE]


# Rotate


def test_old_and_new_values_are_good_side_by_side_until_the_end_is_said(bot: Bot, other: Bot) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    bot.linking.pages.rotate(NEW, **SECOND)
    for each in (bot, other):
        for values in (FIRST, SECOND):
            assert post(each, values["app_secret"]) == 200
            assert handshake(each, values["verify_token"]).status_code == 200
        assert each.linking.bot_of(NEW).access_token == SECOND["access_token"]
    bot.linking.pages.finish(NEW)
    for each in (bot, other):
        assert post(each, SECOND["app_secret"]) == 200
        assert post(each, FIRST["app_secret"]) == 403
        assert handshake(each, FIRST["verify_token"]).status_code == 403


def test_what_is_not_given_stays_and_no_more_than_two_values_are_kept(bot: Bot) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    for number in range(3):
        bot.linking.pages.rotate(NEW, app_secret=f"secret-number-{number}-of-new")
    assert [post(bot, f"secret-number-{number}-of-new") for number in range(3)] == [403, 200, 200]
    assert post(bot, FIRST["app_secret"]) == 403
    assert bot.linking.bot_of(NEW).access_token == FIRST["access_token"]
    assert handshake(bot, FIRST["verify_token"]).status_code == 200


def test_what_waits_for_a_token_goes_on_automatically_when_it_is_replaced(bot: Bot, other: Bot) -> None:
    """Another process delivers than the one that replaced the token, and nothing is restarted."""
    bot.linking.pages.add(NEW, **FIRST)
    link(bot, FIRST["app_secret"])
    bot.graph.trouble[NEW] = BAD_TOKEN  # type: ignore[attr-defined]
    other.linking.delivery.drain()
    assert bot.linking.store.outbox_depth()["held"] == 1
    bot.graph.trouble.clear()  # type: ignore[attr-defined]
    bot.clock.advance(3600)
    other.linking.delivery.drain()
    assert bot.linking.store.outbox_depth()["held"] == 1
    bot.linking.pages.rotate(NEW, access_token=SECOND["access_token"])
    other.linking.delivery.drain()
    assert bot.linking.store.outbox_depth()["depth"] == 0
    assert bot.graph.calls[-1].headers["Authorization"] == "Bearer " + SECOND["access_token"]


# Remove


def test_a_removed_page_is_served_no_more_anywhere_and_its_links_stay(bot: Bot, other: Bot) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    link(bot, FIRST["app_secret"])
    assert other.linking.pages.remove(NEW)
    for each in (bot, other):
        assert post(each, FIRST["app_secret"]) == 403
        assert handshake(each, FIRST["verify_token"]).status_code == 403
        with pytest.raises(PageUnknown):
            each.linking.bot_of(NEW)
        assert each.linking.link_of(PERSON, NEW) is not None
        assert each.linking.core.page_id == PAGE


def test_a_secret_that_two_pages_share_goes_with_the_last_of_them(bot: Bot) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    bot.linking.pages.add("666", **FIRST | {"access_token": "token-of-page-more"})
    bot.linking.pages.remove(NEW)
    assert post(bot, FIRST["app_secret"], "666") == 200
    event = linked_event("c" * 43, psid=PERSON, page=NEW, at=bot.clock.ms)
    bot.post(batch(event, page=NEW), FIRST["app_secret"])
    assert bot.heard.reasons() == ["event_not_ours"]
    bot.linking.pages.remove("666")
    assert post(bot, FIRST["app_secret"], "666") == 403


# List


def test_a_list_names_every_page_and_no_secret(bot: Bot) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    bot.linking.pages.rotate(NEW, app_secret=SECOND["app_secret"])
    configured, added = bot.linking.pages.list()
    assert configured == KnownPage(
        page_id=PAGE, source="configuration", access_tokens=1, app_secrets=1, verify_tokens=1
    )
    assert added == KnownPage(
        page_id=NEW, source="store", access_tokens=1, app_secrets=2, verify_tokens=1, added_at=bot.clock.ms,
        changed_at=bot.clock.ms,
    )  # fmt: skip


# At rest


def test_nothing_of_a_page_stands_in_the_database_in_clear(bot: Bot) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    bot.linking.pages.rotate(NEW, **SECOND)
    bot.linking.store.close()
    kept = b"".join(path.read_bytes() for path in bot.database.parent.glob("links.db*"))
    assert NEW.encode() in kept
    for value in (*FIRST.values(), *SECOND.values()):
        assert value.encode() not in kept


def test_a_page_moved_into_another_row_is_not_served(bot: Bot) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    connection = sqlite3.connect(bot.database)
    connection.execute("update pages set page_id = '777', revision = 9")
    connection.execute("update page_changes set revision = 9")
    connection.commit()
    connection.close()
    assert post(bot, FIRST["app_secret"], "777") == 200  # of the page that is known still
    with pytest.raises(PageUnknown):
        bot.linking.bot_of("777")


def test_keys_are_replaced_one_after_the_other(new_bot: NewBot) -> None:
    new_bot(PAGE_KEYS=KEY).linking.pages.add(NEW, **FIRST)
    between = new_bot(PAGE_KEYS=[NEWER_KEY, KEY])
    assert post(between, FIRST["app_secret"]) == 200
    assert between.linking.pages.reseal() == 1
    after = new_bot(PAGE_KEYS=NEWER_KEY)
    assert post(after, FIRST["app_secret"]) == 200
    assert post(new_bot(PAGE_KEYS=KEY), FIRST["app_secret"]) == 403


@pytest.mark.parametrize("keys", [NEWER_KEY, None])
def test_a_page_that_no_key_opens_is_named_by_check_and_stops_nothing(
    new_bot: NewBot, keys: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    new_bot(PAGE_KEYS=KEY).linking.pages.add(NEW, **FIRST)
    bot = new_bot(PAGE_KEYS=keys)
    assert post(bot, APP_SECRET, PAGE) == 200
    assert post(bot, FIRST["app_secret"]) == 403
    (finding,) = [each for each in checkup(bot.linking._here) if "PAGE_KEYS" in each.what]
    assert finding.state == "wrong"
    assert NEW in finding.what
    assert len([record for record in caplog.records if "no key" in record.getMessage()]) == bool(keys)


SPOILT = ["\ufeffEAA-spoilt", "EAA\r-spoilt", "EAA\n-spoilt", "EAAŁ-spoilt", "EAA\udcff-spoilt"]


@pytest.mark.parametrize("value", SPOILT, ids=ascii)
@pytest.mark.parametrize("name", ["access_token", "app_secret", "verify_token"])
def test_a_spoilt_value_that_an_older_release_took_stops_nothing_and_is_shown_nowhere(
    bot: Bot, name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    keeper = bot.linking._here().runtime_pages._keeper
    (kept,) = keeper.all()
    page = keeper.open(kept)
    assert page is not None
    spoilt = replace(page, **{f"{name}s": (value,)})  # type: ignore[arg-type]
    assert bot.linking.store.replace_page(NEW, keeper.close(spoilt), bot.clock.ms, before=kept.sealed or "")
    assert post(bot, APP_SECRET, PAGE) == 200
    found = [finding for finding in checkup(bot.linking._here) if finding.state == "wrong"]
    assert not [finding for finding in found if "spoilt" in finding.what]
    if name == "access_token":
        (finding,) = [each for each in found if "cannot be sent" in each.what]
        assert NEW in finding.what
        with pytest.raises(GraphError, match="cannot be sent") as failed:
            bot.linking.bot_of(NEW).send_text_message(PERSON, "hi")
        assert (failed.value.advice, failed.value.cause) == ("page", "token")
        assert failed.value.__context__ is None
    bot.linking.pages.rotate(NEW, **SECOND)
    assert post(bot, SECOND["app_secret"]) == 200
    assert bot.linking.bot_of(NEW).send_text_message(PERSON, "hi")
    assert "spoilt" not in caplog.text


# When the store is away


@pytest.fixture
def away(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    def fail(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the database is away")

    with monkeypatch.context() as patched:
        for name in ("pages_revision", "pages_since"):
            patched.setattr(type(bot.linking.store), name, fail)
        yield patched


def test_what_is_known_stays_while_the_store_is_away(bot: Bot, request: pytest.FixtureRequest) -> None:
    bot.linking.pages.add(NEW, **FIRST)
    request.getfixturevalue("away")
    assert post(bot, FIRST["app_secret"]) == 200
    assert post(bot, SECOND["app_secret"]) == 403


@pytest.fixture
def started(bot: Bot, new_bot: NewBot, site: Site, scripted: TwoPages, request: pytest.FixtureRequest) -> Bot:
    """A process that was started while the store was away, so that it knows the configured page alone."""
    scripted.pages[PAGE_TOKEN] = PAGE
    bot.linking.pages.add(NEW, **FIRST)
    bot.linking.pages.add(SHARED, **SECOND | {"app_secret": APP_SECRET})
    request.getfixturevalue("away")
    return new_bot(PAGE_KEYS=KEY, APP_ID="123456789", current_account=site.current_account)


def _sign_in_of(bot: Bot, **hint: str) -> TestResponse:
    """Open the page of the Log In button as a person who is signed in at the site: Graph is asked at once."""
    bot.site.signed_in = ADA
    return bot.browser().open(**hint)


def _connect(bot: Bot, query: str) -> TestResponse:
    bot.site.signed_in = ADA
    return bot.browser().get(f"/linking/connect{query}")


def _api(bot: Bot) -> TestResponse:
    key = Keys(bot.linking.core).create(f"site {token_hex(4)}", [NEW])
    return Caller(bot, key).link(PERSON, username="ada")


DOORS: dict[str, Callable[[Bot], TestResponse]] = {
    "webhook": lambda bot: bot.post(batch(message_event("hi", page=NEW), page=NEW), FIRST["app_secret"]),
    "webhook of an app that has a known page": lambda bot: bot.post(
        batch(unlinked_event(psid=PERSON, page=SHARED), page=SHARED), APP_SECRET
    ),
    "handshake": lambda bot: handshake(bot, FIRST["verify_token"]),
    "data-deletion": lambda bot: call(bot, "data-deletion", callback_of(FIRST["app_secret"])),
    "deauthorize": lambda bot: call(bot, "deauthorize", callback_of(FIRST["app_secret"])),
    "data-deletion of an app that has a known page": lambda bot: call(bot, "data-deletion"),
    "menu": lambda bot: enter(bot, context_of(bot.clock(), FIRST["app_secret"], page_id=int(NEW))).page,
    "menu of an app that has a known page": lambda bot: (
        enter(bot, context_of(bot.clock(), page_id=int(SHARED))).page
    ),
    "login": lambda bot: _sign_in_of(bot),
    "login with the page in its address": lambda bot: _sign_in_of(bot, page=NEW),
    "connect": lambda bot: _connect(bot, f"?page_id={NEW}"),
    "connect without a page": lambda bot: _connect(bot, ""),
    "api": _api,
}


@pytest.mark.parametrize("door", DOORS)
def test_a_process_that_could_not_read_the_pages_yet_refuses_nobody_for_good(
    started: Bot, away: pytest.MonkeyPatch, door: str
) -> None:
    """Each door asks to come again, and then takes the same request: a refusal would be final."""
    asked = DOORS[door](started)
    assert asked.status_code == 503
    assert int(asked.headers["Retry-After"]) > 0
    away.undo()
    assert DOORS[door](started).status_code == 200


@pytest.fixture
def beside(bot: Bot, new_bot: NewBot, scripted: TwoPages, monkeypatch: pytest.MonkeyPatch) -> Bot:
    """A process that has looked for added pages just before another one added a page to the same app."""
    scripted.pages[PAGE_TOKEN] = PAGE
    beside = new_bot(PAGE_KEYS=KEY, APP_ID="123456789")
    beside.linking._here().pages.refresh()
    monkeypatch.setattr(registry, "LOOK_EVERY_S", 3600.0)
    beside.linking._here().pages.refresh()
    bot.linking.pages.add(SHARED, **SECOND | {"app_secret": APP_SECRET})
    bot.linking.store.bind(SHARED, PERSON, Identifiers("ada"), "api", bot.clock.ms)
    return beside


def _unlink(bot: Bot) -> int:
    event = unlinked_event(psid=PERSON, page=SHARED, at=bot.clock.ms + 1)
    return bot.post(batch(event, page=SHARED), APP_SECRET).status_code


def test_an_event_of_a_page_that_was_just_added_elsewhere_is_not_passed_over(beside: Bot) -> None:
    assert _unlink(beside) == 200
    assert beside.linking.store.find_link(SHARED, PERSON) is None


def test_an_event_of_a_page_that_may_have_been_added_waits_for_the_store(
    beside: Bot, away: pytest.MonkeyPatch
) -> None:
    assert _unlink(beside) == 503
    away.undo()
    assert _unlink(beside) == 200
    assert beside.linking.store.find_link(SHARED, PERSON) is None


def test_who_knows_no_page_of_ours_is_refused_once_the_pages_could_be_read(
    started: Bot, away: pytest.MonkeyPatch
) -> None:
    assert post(started, SECOND["app_secret"]) == 503
    away.undo()
    assert post(started, SECOND["app_secret"]) == 403
    assert handshake(started, "verify-of-nobody").status_code == 403
    assert call(started, text=callback_of("secret-of-nobody")).status_code == 400


def test_the_configured_page_is_served_before_the_added_ones_could_be_read(started: Bot) -> None:
    assert post(started, APP_SECRET, PAGE) == 200
    assert started.post(batch(unlinked_event(psid=PERSON))).status_code == 200
    assert handshake(started, VERIFY_TOKEN).status_code == 200


def test_a_request_to_delete_waits_until_the_pages_could_be_read(
    bot: Bot, started: Bot, away: pytest.MonkeyPatch
) -> None:
    """Its people may be of a page that is not known yet."""
    away.undo()
    code = call(bot, text=callback_of(FIRST["app_secret"])).get_json()["confirmation_code"]
    with pytest.MonkeyPatch.context() as unread:
        unread.setattr(started.linking.pages._pages, "_look_at", float("inf"))
        started.linking.delivery.drain()
        assert state_of(bot, code) == "received"
    started.clock.advance(3600)
    started.linking.delivery.drain()
    assert state_of(bot, code) == "unmatched"


def test_an_attempt_is_counted_to_its_end_on_the_page_that_it_was_opened_on(bot: Bot) -> None:
    """Also where that page is removed in between."""
    bot.linking.pages.add(NEW, **FIRST)
    browser = bot.browser()
    browser.open(page=NEW)
    bot.linking.pages.remove(NEW)
    browser.submit("cancel")
    bot.clock.advance(3600)
    assert {page: bot.linking.funnel(page_id=page)["abandoned"] for page in (PAGE, NEW)} == {PAGE: 0, NEW: 0}


def test_who_opened_a_page_before_it_was_added_hides_nobody_who_left_it(bot: Bot) -> None:
    early, late = bot.browser(), bot.browser()
    early.open(page=NEW)
    bot.linking.pages.add(NEW, **FIRST)
    late.open(token="another-token", page=NEW)
    early.submit("cancel")
    bot.clock.advance(3600)
    assert bot.linking.funnel(page_id=NEW)["abandoned"] == 1
