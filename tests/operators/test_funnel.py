"""The funnel: a person is followed from the prompt to the confirmation on each way, and one leaves at each
stage."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bot_linking import StageReached, metrics
from bot_linking.core import funnel as funnel_module
from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.funnel import STAGES
from bot_linking.core.funnel_report import funnel_of
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.ports.tallies import HOW_MANY, FunnelCount
from bot_linking.stores import open_store
from tests.bots import Bot, NewBot
from tests.people import GRACE
from tests.stores.given import DATABASES
from tests.ways.test_chat import Hosted, payloads, quick_reply
from tests.ways.test_pages import digits_on, enter, path_of, say, signed_request, walk_web
from tests.wire import OTHER_TOKEN, PAGE, PSID, TOKEN, batch, linked_event, message_event

DAY = 86_400_000


def stages(bot: Bot, way: str = "login") -> dict[str, int]:
    """How many came to each stage of a way, without zeros."""
    ways = bot.linking.funnel()["ways"]
    return {stage: n for stage, n in ways.get(way, {"stages": {}})["stages"].items() if n}


def upto(stage: str, first: str = "prompted") -> dict[str, int]:
    """Let one person come to each stage from the first to this one."""
    names = [str(each) for each in STAGES]
    return dict.fromkeys(names[names.index(first) : names.index(stage) + 1], 1)


def test_a_person_is_followed_from_the_prompt_to_the_confirmation(bot: Bot) -> None:
    bot.linking.prompt_login(PSID)
    bot.clock.advance(7)
    browser = bot.browser()
    browser.open()
    bot.clock.advance(20)
    browser.sign_in()
    bot.clock.advance(4)
    code = browser.consent().rpartition("=")[2]
    bot.clock.advance(2)
    event = batch(linked_event(code, at=bot.clock.ms))
    bot.post(event)
    bot.post(event)  # delivered again
    bot.clock.advance(1)
    bot.linking.delivery.drain()
    found = bot.linking.funnel()
    assert found["stages"] == found["ways"]["login"]["stages"] == upto("confirmed")
    assert (found["days"], found["cancelled"], found["abandoned"], found["refused"]) == (30, 0, 0, {})
    medians = {stage: times["median"] for stage, times in found["seconds"].items()}
    for stage, seconds in {
        "opened": 7,
        "signed_in": 20,
        "consented": 4,
        "returned": 2,
        "confirmed": 1,
    }.items():
        assert 0 < medians[stage] <= seconds * 1.5, stage
        assert found["seconds"][stage]["ninetieth"] >= medians[stage]


def _opens(bot: Bot) -> Any:
    browser = bot.browser()
    browser.open()
    browser.open()  # reloads
    return browser


def _signs_in(bot: Bot) -> Any:
    browser = _opens(bot)
    browser.sign_in("ada", "wrong")
    browser.sign_in()
    browser.get(browser.location)
    return browser


def _consents(bot: Bot) -> Any:
    browser = _signs_in(bot)
    browser.consent()
    return browser


@pytest.mark.parametrize(
    ("walk", "last", "abandoned"),
    [(_opens, "opened", 1), (_signs_in, "consent_shown", 1), (_consents, "consented", 0)],
)
def test_who_leaves_at_a_stage_is_counted_up_to_it_and_is_abandoned_after_half_an_hour(
    bot: Bot, walk: Any, last: str, abandoned: int
) -> None:
    bot.linking.prompt_login(PSID)
    walk(bot)
    assert stages(bot) == upto(last)
    assert bot.linking.funnel()["abandoned"] == 0
    bot.clock.advance(31 * 60)
    assert bot.linking.funnel()["abandoned"] == abandoned
    bot.linking.store.purge(bot.clock.ms + 5 * 60_000)  # counted by day now
    bot.linking.store.purge(bot.clock.ms + 5 * 60_000)
    assert bot.linking.funnel()["abandoned"] == abandoned
    assert bot.linking.funnel()["ways"]["login"]["stages"] == bot.linking.funnel()["stages"]


def test_a_wrong_password_and_cancel_stand_beside_the_stages(bot: Bot) -> None:
    browser = _signs_in(bot)
    form = browser.form("cancel")
    browser.submit("cancel")
    browser.post("/linking/cancel", form.fields)  # pressed again
    bot.clock.advance(31 * 60)
    found = bot.linking.funnel()
    assert (found["cancelled"], found["abandoned"]) == (1, 0)
    assert found["refused"] == found["ways"]["login"]["refused"] == {"login_wrong": 1}


def test_a_refused_code_came_back_and_says_its_slug(bot: Bot) -> None:
    code = bot.browser().code()
    bot.clock.advance(400)
    bot.post(batch(linked_event(code, at=bot.clock.ms)))
    found = bot.linking.funnel()
    assert (found["stages"]["returned"], found["stages"]["linked"]) == (1, 0)
    assert found["refused"] == {"code_expired": 1}


def test_an_account_of_the_site_comes_to_the_consent_at_once(new_bot: NewBot) -> None:
    bot = new_bot(current_account=lambda: GRACE, authenticate=None)
    browser = bot.browser()
    browser.open()
    browser.open()
    assert stages(bot) == upto("consent_shown", "opened")
    browser.consent()
    assert stages(bot) == upto("consented", "opened")


def test_a_web_link_has_its_own_way(bot: Bot) -> None:
    url = bot.linking.web_link(PSID)
    assert stages(bot, "web") == upto("prompted")
    browser = walk_web(bot, url)
    assert stages(bot, "web") == upto("consented")
    say(bot, digits_on(browser.page))
    bot.linking.delivery.drain()
    assert stages(bot, "web") == upto("confirmed")
    assert stages(bot) == {}


@pytest.mark.parametrize("last", ["opened", "consent_shown", "cancelled", "confirmed"])
def test_the_menu_has_its_own_way_and_who_gives_up_is_counted_up_to_there(new_bot: NewBot, last: str) -> None:
    """The menu's item is always there, so nobody is prompted."""
    bot = new_bot(APP_ID="42")
    browser = enter(bot, signed_request(bot.clock()))
    if last != "opened":
        browser.sign_in("ada", "wrong")
        browser.sign_in()
    if last == "cancelled":
        browser.submit("cancel")
    if last == "confirmed":
        browser.submit("consent")
        browser.follow()
        bot.linking.delivery.drain()
    assert stages(bot, "menu") == upto("consent_shown" if last == "cancelled" else last, "opened")
    bot.clock.advance(31 * 60)
    found = bot.linking.funnel(way="menu")
    beside = {"cancelled": (1, 0), "confirmed": (0, 0)}.get(last, (0, 1))
    assert (found["cancelled"], found["abandoned"]) == beside
    assert found["refused"] == ({} if last == "opened" else {"login_wrong": 1})
    assert list(found["ways"]) == ["menu"]


@pytest.mark.parametrize("last", ["prompted", "opened", "consent_shown", "consented"])
def test_who_gives_up_on_a_web_link_is_counted_up_to_there(bot: Bot, last: str) -> None:
    url = bot.linking.web_link(PSID)
    browser = bot.browser()
    if last != "prompted":
        browser.get(path_of(url))
    if last in ("consent_shown", "consented"):
        browser.sign_in()
    if last == "consented":
        browser.submit("consent")
        say(bot, "000000" if digits_on(browser.follow()) != "000000" else "111111")
    assert stages(bot, "web") == upto(last)
    bot.clock.advance(31 * 60)
    found = bot.linking.funnel(way="web")
    assert found["abandoned"] == int(last in ("opened", "consent_shown"))
    assert found["stages"]["linked"] == 0


@pytest.mark.parametrize("yes", [True, False])
def test_a_chat_link_has_its_own_way(new_bot: NewBot, yes: bool) -> None:
    hosted = Hosted(new_bot)
    hosted.post(
        {
            "sender": {"id": PSID},
            "recipient": {"id": PAGE},
            "timestamp": 1,
            "referral": {"ref": hosted.link()[0], "source": "SHORTLINK", "type": "OPEN_THREAD"},
        }
    )
    bot = hosted.bot
    assert stages(bot, "chat") == upto("consent_shown")
    answers = payloads(hosted.said()[-1])
    answer = next(payload for payload in answers.values() if payload.startswith("bl.yes" if yes else "bl.no"))
    hosted.post(quick_reply(answer))
    hosted.post(quick_reply(answer))
    hosted.said()
    assert stages(bot, "chat") == upto("confirmed" if yes else "consent_shown")
    bot.clock.advance(31 * 60)
    found = bot.linking.funnel(way="chat")
    assert (found["cancelled"], found["abandoned"]) == (0 if yes else 1, 0)
    assert list(found["ways"]) == ["chat"]


def test_what_the_site_does_itself_is_no_persons_way(bot: Bot) -> None:
    bot.linking.core.bind(PSID, Identifiers("ada", None, None), source="api")
    bot.linking.delivery.drain()
    assert set(bot.linking.funnel()["stages"].values()) == {0}


@pytest.mark.parametrize("configured", [PAGE, None], ids=["with the page's id", "without"])
def test_pages_that_a_stranger_makes_up_are_not_counted_by_their_ids(
    new_bot: NewBot, configured: str | None
) -> None:
    bot = new_bot(PAGE_ID=configured)
    back = "https://www.facebook.com/messenger_platform/account_linking/?account_linking_token="
    for number in range(20):
        made_up = {"page": f"made-up-{number}", "account_linking_token": f"token-{number}"}
        query = made_up | {"redirect_uri": back + made_up["account_linking_token"]}
        assert bot.client().get("/linking/login", query_string=query).status_code == 200
    assert bot.linking.funnel()["stages"]["opened"] == 20
    assert {row[1] for row in bot.rows()["funnel"]} == {configured or ""}


def test_days_pages_and_ways_are_kept_apart(bot: Bot) -> None:
    bot.browser().open()
    bot.clock.advance(3 * 86_400)
    bot.browser().open(OTHER_TOKEN)
    assert bot.linking.funnel(days=3)["stages"]["opened"] == 1
    assert bot.linking.funnel(days=4)["stages"]["opened"] == 2
    assert bot.linking.funnel(page_id=PAGE)["stages"]["opened"] == 2
    assert bot.linking.funnel(page_id="1")["stages"]["opened"] == 0
    assert bot.linking.funnel(way="web")["stages"]["opened"] == 0
    with pytest.raises(ValueError, match="days"):
        bot.linking.funnel(days=0)


def test_metrics_and_signals_tell_each_stage(bot: Bot) -> None:
    registry = CollectorRegistry()
    metrics.watch(bot.linking, registry)
    bot.link()
    bot.linking.delivery.drain()
    for stage in ("opened", "signed_in", "consent_shown", "consented", "returned", "linked", "confirmed"):
        labels = {"stage": stage, "way": "login"}
        assert registry.get_sample_value("bot_linking_funnel_total", labels) == 1, stage
    told = [event for event in bot.heard.events if isinstance(event, StageReached)]
    assert [event.stage for event in told] == list(upto("confirmed", "opened"))
    assert {event.page_id for event in told} == {PAGE}


def test_no_person_account_or_token_is_in_it(bot: Bot) -> None:
    bot.link()
    bot.linking.delivery.drain()
    bot.linking.funnel()
    rows = bot.rows()["funnel"]
    assert rows
    assert {column for row in rows for column in row if isinstance(column, str)} <= {
        PAGE, "login", "open", *map(str, STAGES),
    }  # fmt: skip


def test_a_store_that_is_away_costs_a_login_nothing_and_what_was_counted_is_written_later(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    here = bot.linking._here()
    with monkeypatch.context() as patched:
        patched.setattr(here.store, "add_tallies", away)
        bot.browser().code()
        here.funnel.write()
    assert stages(bot) == upto("consented", "opened")


@pytest.mark.writes_later
def test_it_is_written_from_a_thread_soon_after_the_first_count(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(funnel_module, "WRITTEN_AFTER_S", 0.05)
    written = threading.Event()
    store = bot.linking.store
    add = store.add_tallies

    def add_and_say(*counts: Any) -> None:
        add(*counts)
        written.set()

    monkeypatch.setattr(store, "add_tallies", add_and_say)
    bot.browser().open()
    assert written.wait(60)
    assert bot.rows()["funnel"]


@pytest.mark.parametrize("engine", sorted(DATABASES))
def test_writers_at_once_lose_nothing(engine: str, tmp_path: Any) -> None:
    counts = {FunnelCount(DAY, PAGE, "login", stage, HOW_MANY): 1 for stage in STAGES}
    with DATABASES[engine](tmp_path) as url:
        store = open_store(url)

        def write() -> None:
            for _ in range(20):
                store.add_tallies(counts, {})

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        found = funnel_of(store, 2 * DAY, days=2, page_id=PAGE)
        assert set(found["stages"].values()) == {80}
        store.purge(2 * DAY + 400 * DAY)
        assert set(funnel_of(store, 2 * DAY, days=2)["stages"].values()) == {0}
        store.close()


def test_who_was_prompted_and_never_came_is_forgotten_in_time(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(funnel_module, "REMEMBERED", 10)
    funnel = bot.linking._here().funnel
    for number in range(30):
        funnel.prompt("login", PAGE, str(number))
    assert len(funnel._seen) <= 10


@pytest.mark.writes_later
def test_a_thread_that_could_not_be_started_is_started_by_the_next_count(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[object]()

    def refused(_funnel: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(funnel_module, "write_later", refused)
    funnel = bot.linking._here().funnel
    funnel.pass_by("webhook", "other")
    monkeypatch.setattr(funnel_module, "write_later", begun.append)
    funnel.pass_by("webhook", "other")
    assert begun


def test_of_a_webhook_that_has_nothing_of_ours_nothing_is_counted(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(*_: Any, **__: Any) -> None:
        raise AssertionError("something was counted")

    for name in ["reach", "cancel", "refuse", "open", "prompt", "measure_opening", "pass_by"]:
        monkeypatch.setattr(bot.linking._here().funnel, name, touched)
    assert bot.post(batch(message_event("hello"))).status_code == 200


def test_without_a_receiver_a_login_is_noted_and_counted_at_the_next_writing(
    new_bot: NewBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = new_bot()
    funnel = bot.linking._here().funnel
    monkeypatch.setattr(funnel, "_listeners", ())
    bot.linking.prompt_login(PSID)
    bot.clock.advance(7)
    bot.link()
    bot.clock.advance(1)
    bot.linking.delivery.drain()
    bot.clock.advance(60)
    assert not funnel._funnel
    found = bot.linking.funnel()
    assert found["stages"] == upto("confirmed")
    assert 5 < found["seconds"]["opened"]["median"] < 9
    assert not funnel._noted


def test_what_is_noted_is_bounded_and_a_second_time_is_none(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    funnel = bot.linking._here().funnel
    monkeypatch.setattr(funnel, "_listeners", ())
    monkeypatch.setattr(funnel_module, "MOST_NOTED", 3)
    for _ in range(10):
        bot.browser().open()
        assert len(funnel._noted) <= 3
    assert stages(bot) == upto("opened", "opened")


@pytest.mark.writes_later
def test_one_thread_at_a_time_waits_to_write_also_after_a_command_has_written(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[Any]()
    monkeypatch.setattr(funnel_module, "write_later", begun.append)
    bot.browser().open()
    bot.linking.funnel()
    bot.browser().open(OTHER_TOKEN)
    assert len(begun) == 1
    begun[0].write_due()
    bot.browser().open(TOKEN)  # a stage that was counted before
    assert len(begun) == 1
    bot.browser().code(OTHER_TOKEN)
    assert len(begun) == 2
    assert stages(bot)["opened"] == 2
