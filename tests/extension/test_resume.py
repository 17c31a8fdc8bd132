"""A handler asks for a login where it needs one, and runs automatically after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from flask import current_app, url_for

import bot_linking
from bot_linking import GraphError, GraphFailed, Link
from bot_linking.core.identifiers import Identifiers
from tests.bots import Bot, NewBot
from tests.wire import OTHER_PSID, PAGE, PSID, SITE, batch, linked_event, message_event, unlinked_event

EVENT = message_event("orders")


class Shop:
    """A bot's handlers, made in the same way in each process."""

    def __init__(self, bot: Bot) -> None:
        self.ran: list[tuple[str, str, tuple[Any, ...]]] = []
        self.declined: list[str] = []
        self.orders = bot.linking.login_required(text="Log in to see your orders.", cancelled=self.decline)(
            self.show_orders
        )

    def show_orders(self, event: dict[str, Any], link: Link, *args: Any) -> str:
        self.ran.append((event["sender"]["id"], link.account_id, args))
        return "shown"

    def decline(self, event: dict[str, Any], *_: Any) -> None:
        self.declined.append(event["sender"]["id"])


def link_and_deliver(bot: Bot) -> None:
    bot.link()
    bot.linking.delivery.drain()


def test_somebody_who_is_linked_gets_the_handler_at_once(bot: Bot) -> None:
    link_and_deliver(bot)
    shop = Shop(bot)
    assert shop.orders(EVENT, "last", 3) == "shown"
    assert shop.ran == [(PSID, "1", ("last", 3))]


def test_somebody_who_is_not_linked_gets_a_button_with_the_reason(bot: Bot) -> None:
    shop = Shop(bot)
    assert shop.orders(EVENT) is None
    assert shop.ran == []
    (sent,) = bot.graph.sent
    assert sent["recipient"] == {"id": PSID}
    payload = sent["message"]["attachment"]["payload"]
    assert (payload["text"], payload["buttons"]) == (
        "Log in to see your orders.",
        [bot.linking.login_button()],
    )
    assert bot.heard.names() == ["LoginPrompted"]


def test_once_linked_the_handler_runs_with_what_it_was_called_with(bot: Bot) -> None:
    shop = Shop(bot)
    shop.orders(EVENT, "last", 3)
    link_and_deliver(bot)
    assert shop.ran == [(PSID, "1", ("last", 3))]


def test_the_handler_runs_once_even_when_messenger_delivers_thrice(bot: Bot) -> None:
    shop = Shop(bot)
    shop.orders(EVENT)
    body = batch(linked_event(bot.browser().code(), at=bot.clock.ms))
    for _ in range(3):
        bot.post(body)
        bot.linking.delivery.drain()
    assert len(shop.ran) == 1


def test_the_confirmation_comes_before_what_was_asked_for(bot: Bot) -> None:
    shop = Shop(bot)
    shop.orders(EVENT)
    link_and_deliver(bot)
    assert [event.kind for event in bot.heard.of("MessageSent")] == ["linked", "resume"]


def test_the_interrupted_action_survives_a_restart_of_the_process(new_bot: NewBot) -> None:
    first = new_bot()
    Shop(first).orders(EVENT, "last")
    first.linking.store.close()
    second = new_bot()
    shop = Shop(second)
    link_and_deliver(second)
    assert shop.ran == [(PSID, "1", ("last",))]


def test_a_restart_between_the_link_and_the_delivery_loses_nothing_either(new_bot: NewBot) -> None:
    first = new_bot()
    Shop(first).orders(EVENT)
    first.link()
    second = new_bot()
    shop = Shop(second)
    second.linking.delivery.drain()
    assert [ran[0] for ran in shop.ran] == [PSID]


def test_an_action_waits_for_a_process_that_knows_its_handler(new_bot: NewBot) -> None:
    """A process that has just started, or that runs a newer version of the bot."""
    first = new_bot()
    Shop(first).orders(EVENT)
    second = new_bot()
    link_and_deliver(second)
    assert second.linking.store.outbox_depth()["depth"] == 1
    shop = Shop(second)
    second.clock.advance(60)
    second.linking.delivery.drain()
    assert len(shop.ran) == 1
    assert second.linking.store.outbox_depth()["depth"] == 0


class Nameless:
    def __call__(self, event: Any, link: Link) -> None: ...


@pytest.mark.parametrize(
    "nameless", [lambda event, link: None, partial(Nameless.__call__, Nameless()), Nameless()]
)
def test_a_handler_needs_a_name_to_be_found_again(bot: Bot, nameless: Any) -> None:
    with pytest.raises(ValueError, match="a name"):
        bot.linking.login_required(nameless)


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing."""
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value


def test_a_handler_that_is_async_runs_before_and_after_the_login(bot: Bot) -> None:
    ran = []

    async def orders(event: object, link: Link, *, page: int) -> None:
        ran.append((link.account_id, page))

    # What `pip install flask[async]` would bring.
    bot.app.async_to_sync = lambda run: lambda *a, **k: finish(run(*a, **k))  # type: ignore[method-assign, assignment]
    guarded = bot.linking.login_required(orders)
    guarded(EVENT, page=2)
    link_and_deliver(bot)
    with bot.app.app_context():
        guarded(EVENT, page=3)
    assert ran == [("1", 2), ("1", 3)]


def test_what_is_no_event_is_named(bot: Bot) -> None:
    guarded = bot.linking.login_required(text="x")(test_what_is_no_event_is_named)
    with pytest.raises(TypeError, match="webhook event or a PSID"):
        guarded(object())


def test_an_action_is_forgotten_after_an_hour(bot: Bot) -> None:
    shop = Shop(bot)
    shop.orders(EVENT)
    bot.clock.advance(3601)
    link_and_deliver(bot)
    assert shop.ran == []


def test_only_the_newest_interrupted_action_goes_on(bot: Bot) -> None:
    shop = Shop(bot)
    shop.orders(EVENT, "old")
    bot.clock.advance(1)
    shop.orders(EVENT, "new")
    link_and_deliver(bot)
    assert [args for _, _, args in shop.ran] == [("new",)]


def test_somebody_elses_login_does_not_run_it(bot: Bot) -> None:
    shop = Shop(bot)
    shop.orders(message_event("orders", psid=OTHER_PSID))
    link_and_deliver(bot)
    assert shop.ran == []


def test_who_has_logged_out_again_before_the_delivery_is_not_served(bot: Bot) -> None:
    shop = Shop(bot)
    shop.orders(EVENT)
    bot.link()
    bot.post(batch(unlinked_event(at=bot.clock.ms + 1)))
    bot.linking.delivery.drain()
    assert shop.ran == []


def test_cancelling_tells_the_handler_and_does_not_nag(bot: Bot) -> None:
    shop = Shop(bot)
    shop.orders(EVENT)
    browser = bot.browser()
    browser.open()
    browser.submit("cancel")
    bot.linking.delivery.drain()
    assert shop.declined == [PSID]
    assert len(bot.graph.sent) == 1  # the prompt itself
    (cancelled,) = bot.heard.of("LoginCancelled")
    assert (cancelled.page_id, cancelled.psid) == (PAGE, PSID)
    link_and_deliver(bot)
    assert shop.ran == []


def test_cancelling_twice_tells_the_handler_once(bot: Bot) -> None:
    shop = Shop(bot)
    shop.orders(EVENT)
    for _ in range(2):
        browser = bot.browser()
        browser.open()
        browser.submit("cancel")
    assert shop.declined == [PSID]


def test_a_cancelled_hook_that_raises_does_not_keep_the_person(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: dict[str, Any]) -> None:
        raise RuntimeError("the hook's own mistake")

    guarded = bot.linking.login_required(cancelled=broken)(Shop(bot).show_orders)
    guarded(EVENT)
    browser = bot.browser()
    browser.open()
    assert browser.submit("cancel").status_code == 303
    assert "the hook's own mistake" in caplog.text


def test_a_handler_that_raises_after_the_login_is_run_again_until_it_works(bot: Bot) -> None:
    tries = []

    def busy(event: dict[str, Any], link: Link) -> None:
        tries.append(bot.clock.seconds)
        if len(tries) < 6:
            raise KeyError("secret detail")

    bot.linking.login_required(busy)(EVENT)
    link_and_deliver(bot)
    for _ in range(60):
        bot.clock.advance(1)
        bot.linking.delivery.drain()
    assert len(tries) == 6
    pauses = [later - sooner for sooner, later in pairwise(tries)]
    assert sum(pauses[:2]) < sum(pauses[-2:])  # they grow, each by a little chance
    assert bot.linking.store.outbox_depth()["depth"] == 0
    assert [sent["message"].get("text") for sent in bot.graph.sent[2:]] == []  # prompt and confirmation only


def test_a_handler_that_fails_for_a_day_is_given_up_and_the_person_hears_one_sentence(bot: Bot) -> None:
    def broken(event: dict[str, Any], link: Link) -> None:
        raise KeyError("secret detail")

    bot.linking.login_required(broken)(EVENT)
    link_and_deliver(bot)
    for _ in range(200):
        bot.clock.advance(600)
        bot.linking.delivery.drain()
    (dead,) = bot.linking.store.list_dead()
    assert (dead.kind, dead.last_error) == ("resume", "KeyError in the handler")
    assert bot.linking.link_of(PSID) is not None
    sorry = bot.graph.sent[2:]
    assert [sent["recipient"]["id"] for sent in sorry] == [PSID]
    assert "did not work" in sorry[0]["message"]["text"]


@pytest.mark.parametrize("give_up", [bot_linking.GiveUp, bot_linking.AccountLinking.GiveUp])
def test_a_handler_that_gives_up_is_not_run_again_and_its_reason_is_kept(
    bot: Bot, give_up: type[bot_linking.GiveUp]
) -> None:
    tries = []

    def hopeless(event: dict[str, Any], link: Link) -> None:
        tries.append(1)
        raise give_up("the order is gone\nERROR forged")

    bot.linking.login_required(hopeless)(EVENT)
    link_and_deliver(bot)
    for _ in range(10):
        bot.clock.advance(600)
        bot.linking.delivery.drain()
    assert tries == [1]
    (dead,) = bot.linking.store.list_dead()
    assert (dead.kind, dead.last_error) == ("resume", "the order is gone\\nERROR forged")
    assert len(bot.graph.sent) == 3  # prompt, confirmation, one sentence of regret


def test_a_handler_of_a_linked_person_that_gives_up_is_no_error_of_the_webhooks(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    def hopeless(event: dict[str, Any], link: Link) -> None:
        raise bot_linking.GiveUp("the order is gone\nERROR forged")

    link_and_deliver(bot)
    assert bot.linking.login_required(hopeless)(EVENT) is None
    bot.linking.delivery.drain()
    assert "did not work" in bot.graph.sent[-1]["message"]["text"]
    assert "a handler gave up: the order is gone\\nERROR forged" in caplog.text
    assert bot.linking.store.list_dead() == []


@pytest.mark.parametrize("hook", ["teardown_request", "teardown_appcontext"])
def test_what_a_teardown_function_of_the_host_raises_runs_no_handler_again(
    bot: Bot, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = _break(bot, hook)
    shop = Shop(bot)
    shop.orders(EVENT)
    bot.link()
    broken.append("from now on")
    for _ in range(3):
        bot.linking.delivery.drain()
        bot.clock.advance(600)
    broken.clear()
    assert len(shop.ran) == 1
    assert len(bot.graph.sent) == 2  # prompt, confirmation
    assert "a teardown function of the host failed" in caplog.text


def test_a_teardown_function_that_raises_does_not_hide_what_the_handler_raised(bot: Bot) -> None:
    def hopeless(event: dict[str, Any], link: Link) -> None:
        raise bot_linking.GiveUp("closed")

    broken = _break(bot, "teardown_request")
    bot.linking.login_required(hopeless)(EVENT)
    bot.link()
    broken.append("from now on")
    bot.linking.delivery.drain()
    (dead,) = bot.linking.store.list_dead()
    assert dead.last_error == "closed"


def _break(bot: Bot, hook: str) -> list[str]:
    """A teardown function that raises as soon as something is in the list."""
    broken = list[str]()

    def tear_down(error: BaseException | None) -> None:
        if broken:
            raise RuntimeError("written for other requests")

    getattr(bot.app, hook)(tear_down)
    return broken


def test_a_handler_that_cannot_reach_the_person_says_nothing_more_to_them(bot: Bot) -> None:
    def answer(event: dict[str, Any], link: Link) -> None:
        bot.linking.bot.send_text_message(PSID, "your orders")

    bot.linking.login_required(answer)(EVENT)
    bot.link()
    bot.linking.delivery.drain(within=0)
    bot.graph.failures["me/messages"] = {"code": 551, "error_subcode": 1545041}
    bot.linking.delivery.drain()
    kinds = {dead.kind for dead in bot.linking.store.list_dead()}
    assert kinds == {"linked", "resume"}
    assert bot.linking.store.outbox_depth()["depth"] == 0


def test_a_handler_that_fails_does_not_hold_up_the_persons_other_messages(bot: Bot) -> None:
    def broken(event: dict[str, Any], link: Link) -> None:
        raise RuntimeError

    bot.linking.login_required(broken)(EVENT)
    link_and_deliver(bot)
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    assert [sent.kind for sent in bot.heard.of("MessageSent")] == ["linked", "unlinked", "unlink_call"]


def test_a_handler_can_build_addresses_that_lead_to_the_public_url(bot: Bot) -> None:
    bot.app.add_url_rule("/orders/<int:number>", "order", lambda number: "")
    built = []

    def orders(event: dict[str, Any], link: Link) -> None:
        built.append(url_for("order", number=7, _external=True))
        built.append(url_for("order", number=7))
        built.append(current_app.name)

    bot.linking.login_required(orders)(EVENT)
    link_and_deliver(bot)
    assert built == [f"{SITE}/orders/7", "/orders/7", bot.app.name]


def test_a_public_url_with_a_path_is_where_the_handlers_addresses_begin(new_bot: NewBot) -> None:
    bot = new_bot(PUBLIC_URL=f"{SITE}/shop")
    bot.app.add_url_rule("/orders", "orders", lambda: "")
    built = []

    def orders(event: dict[str, Any], link: Link) -> None:
        built.append(url_for("orders", _external=True))

    bot.linking.login_required(orders)(EVENT)
    bot.linking.core.bind(PSID, Identifiers(username="ada"), PAGE, source="api")
    bot.linking.delivery.drain()
    assert built == [f"{SITE}/shop/orders"]


def test_the_hosts_own_messages_can_build_addresses_too(new_bot: NewBot) -> None:
    def confirmation(link: Link) -> dict[str, str]:
        return {"text": url_for("orders", _external=True)}

    def farewell(page_id: str, psid: str) -> dict[str, str]:
        return {"text": url_for("orders", _external=True) + "?again"}

    bot = new_bot(confirmation=confirmation, farewell=farewell)
    bot.app.add_url_rule("/orders", "orders", lambda: "")
    link_and_deliver(bot)
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    assert [sent["message"]["text"] for sent in bot.graph.sent] == [f"{SITE}/orders", f"{SITE}/orders?again"]


def test_a_handler_whose_message_does_not_get_through_is_tried_again(bot: Bot) -> None:
    tries = []

    def answer(event: dict[str, Any], link: Link) -> None:
        tries.append(1)
        bot.linking.bot.send_text_message(PSID, "your orders")

    bot.linking.login_required(answer)(EVENT)
    bot.link()
    bot.graph.failures["me/messages"] = {"code": 2}
    bot.linking.delivery.drain()
    bot.graph.failures.clear()
    for _ in range(4):
        bot.clock.advance(700)
        bot.linking.delivery.drain()
    assert len(tries) >= 1
    assert bot.graph.sent[-1]["message"] == {"text": "your orders"}


def test_a_bare_psid_will_do_for_an_event(bot: Bot) -> None:
    ran = []

    def orders(psid: str, link: Link) -> None:
        ran.append((psid, link.account_id))

    bot.linking.login_required(orders)(PSID)
    link_and_deliver(bot)
    assert ran == [(PSID, "1")]


def test_the_decorator_keeps_the_handlers_name(bot: Bot) -> None:
    def orders(event: object, link: Link) -> None:
        """Docs."""

    assert bot.linking.login_required(orders).__name__ == "orders"
    assert bot.linking.login_required(text="x")(orders).__doc__ == "Docs."


@pytest.mark.parametrize("resume", [{"x": [1, None, "é"]}, "text", 7, ["a"], 0, False], ids=repr)
def test_what_a_prompt_was_given_comes_back_with_the_linked_event(bot: Bot, resume: Any) -> None:
    bot.linking.prompt_login(PSID, "Please log in.", resume=resume)
    bot.link()
    (linked,) = bot.heard.of("AccountLinked")
    assert linked.resume == resume
    assert linked.link.psid == PSID
    assert linked.previous_account_id is None


def test_without_a_prompt_there_is_nothing_to_resume(bot: Bot) -> None:
    bot.link()
    assert bot.heard.of("AccountLinked")[0].resume is None


def test_what_is_no_json_cannot_be_resumed_and_says_so_before_anything_is_sent(bot: Bot) -> None:
    with pytest.raises(TypeError):
        bot.linking.prompt_login(PSID, resume=object())
    assert not bot.graph.calls


@pytest.mark.parametrize("text", ["x" * 641, "  "])
def test_a_text_that_messenger_would_refuse_is_refused_before_anything_is_kept(bot: Bot, text: str) -> None:
    with pytest.raises(ValueError):
        bot.linking.prompt_login(PSID, text, resume={"x": 1})
    assert bot.linking.store.take_resume(PAGE, PSID) is None


def test_a_prompt_that_messenger_does_not_take_raises_and_is_not_told_as_sent(bot: Bot) -> None:
    bot.graph.failures["me/messages"] = {"code": 551}
    with pytest.raises(GraphError):
        bot.linking.prompt_login(PSID)
    assert bot.heard.events == [GraphFailed(400, 551)]


def test_a_prompt_speaks_the_language_that_the_person_logged_in_with_before(bot: Bot) -> None:
    browser = bot.browser()
    browser.headers = {"Accept-Language": "zh-CN"}
    bot.post(batch(linked_event(browser.code(), at=bot.clock.ms)))
    bot.linking.unlink(PSID)
    bot.linking.prompt_login(PSID)
    bot.linking.prompt_login(OTHER_PSID)
    ours, english = (sent["message"]["attachment"]["payload"]["text"] for sent in bot.graph.sent)
    assert ours != english
    assert "Acme" in ours


# Signals


def link_and_hear(bot: Bot, receiver: Callable[..., Any]) -> None:
    with bot_linking.account_linked.connected_to(receiver, sender=bot.app):
        bot.link()


def test_a_receiver_that_raises_hurts_nobody(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    def broken(app: object, event: object) -> None:
        raise RuntimeError("the receiver's own mistake")

    link_and_hear(bot, broken)
    assert bot.linking.link_of(PSID) is not None
    assert bot.heard.names() == ["AccountLinked"]
    assert "the receiver's own mistake" in caplog.text


def test_a_receiver_is_called_after_the_commit_with_the_app_and_a_frozen_event(bot: Bot) -> None:
    found = []

    def look(app: object, event: bot_linking.AccountLinked) -> str:
        found.append((app, bot.linking.link_of(PSID)))
        with pytest.raises(AttributeError):
            event.resume = 1  # type: ignore[misc]
        return "ignored"

    link_and_hear(bot, look)
    assert found == [(bot.app, bot.linking.link_of(PSID))]
    assert found[0][1] is not None


def test_a_refusal_is_logged_by_its_slug_only(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    bot.post(batch(linked_event("a-code-that-nobody-minted")))
    assert bot.heard.reasons() == ["code_unknown"]
    assert "linking refused: code_unknown" in caplog.text
    assert "a-code-that-nobody-minted" not in caplog.text
    assert PSID not in caplog.text


def test_another_apps_receivers_hear_nothing_of_this_one(new_bot: NewBot) -> None:
    bot, other = new_bot(), new_bot()
    heard = []

    def hear(app: object, event: object) -> None:
        heard.append(event)

    with bot_linking.account_linked.connected_to(hear, sender=other.app):
        bot.link()
    assert heard == []


def test_linking_to_another_account_tells_which_one_it_was_before(bot: Bot) -> None:
    bot.link()
    browser = bot.browser()
    browser.open()
    browser.sign_in("grace", "hopper-1906")
    from tests.wire import code_in

    bot.post(batch(linked_event(code_in(browser.consent()), at=bot.clock.ms + 1)))
    first, second = bot.heard.of("AccountLinked")
    assert (first.previous_account_id, second.previous_account_id) == (None, "1")
    assert second.link.account_id == "2"
