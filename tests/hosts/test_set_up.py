"""Whatever a host registers, in any order: its GET stays its own, and `check` names what stands in the
way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import permutations
from threading import Barrier, Thread
from typing import Any

import flask_limiter
import pytest
from flask import Blueprint, Flask
from flask.views import MethodView
from flask_limiter.util import get_remote_address
from flask_wtf import CSRFProtect

from bot_linking import AccountLinking
from tests.bots import Bot, NewBot
from tests.wire import VERIFY_TOKEN, batch, message_event

HANDSHAKE = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "42"}
Step = Callable[[Bot], Any]


def said(bot: Bot) -> list[tuple[str, str]]:
    """The findings of `flask linking check` about the host, by state."""
    return [(remark.state, remark.what) for remark in bot.linking._here().host.remarks()]


def states(bot: Bot) -> list[str]:
    return [state for state, _ in said(bot)]


def add_webhook(bot: Bot, path: str = "/webhook", name: str = "hook") -> None:
    bot.app.add_url_rule(path, name, bot.linking.webhook(lambda **_: "bot"), methods=["POST"])


def attach_webhook(bot: Bot) -> None:
    bot.app.add_url_rule("/webhook", "hook", lambda: "bot", methods=["POST"])
    bot.linking.attach(bot.app, "hook")


def add_home(bot: Bot, path: str = "/webhook") -> None:
    bot.app.add_url_rule(path, "home", lambda **_: "my home page", methods=["GET"])


def add_form(bot: Bot) -> None:
    bot.app.add_url_rule("/contact", "contact", lambda: "sent", methods=["POST"])


# Whose a GET is


@pytest.mark.parametrize("webhook", [add_webhook, attach_webhook])
@pytest.mark.parametrize("order", [0, 1])
def test_the_hosts_own_get_view_answers_get_in_either_order(bot: Bot, webhook: Step, order: int) -> None:
    for step in [(webhook, add_home), (add_home, webhook)][order]:
        step(bot)
    client = bot.client()
    for query in ({}, HANDSHAKE, HANDSHAKE | {"hub.verify_token": "the host's own"}):
        assert client.get("/webhook", query_string=query).text == "my home page"
    assert client.head("/webhook").status_code == 200
    assert bot.post(batch(message_event("hi")), path="/webhook").text == "bot"
    assert bot.post(batch(message_event("hi")), secret="wrong", path="/webhook").status_code == 403


@pytest.mark.parametrize("webhook", [add_webhook, attach_webhook])
def test_where_the_host_has_no_get_the_handshake_is_answered(bot: Bot, webhook: Step) -> None:
    webhook(bot)
    add_home(bot, "/")
    assert bot.client().get("/webhook", query_string=HANDSHAKE).text == "42"
    assert bot.client().get("/webhook").status_code == 405
    assert bot.client().get("/").text == "my home page"


@pytest.mark.parametrize("order", [0, 1])
def test_paths_are_the_same_whatever_their_variables_are_called(bot: Bot, order: int) -> None:
    steps: list[Callable[[], None]] = [
        lambda: add_webhook(bot, "/hook/<tenant>"),
        lambda: add_home(bot, "/hook/<shop>"),
    ]
    for step in (steps, steps[::-1])[order]:
        step()
    assert bot.client().get("/hook/acme", query_string=HANDSHAKE).text == "my home page"


@pytest.mark.parametrize("order", [0, 1])
def test_a_path_that_takes_whatever_is_left_over_does_not_take_the_handshake(bot: Bot, order: int) -> None:
    """A single-page site's catch-all rule never answered for the webhook."""
    steps: list[Callable[[], None]] = [lambda: add_webhook(bot), lambda: add_home(bot, "/<path:anything>")]
    for step in (steps, steps[::-1])[order]:
        step()
    assert bot.client().get("/webhook", query_string=HANDSHAKE).text == "42"
    assert bot.client().get("/elsewhere").text == "my home page"


def test_each_of_several_webhooks_has_its_own_get(bot: Bot) -> None:
    add_webhook(bot, "/one", "one")
    add_webhook(bot, "/two", "two")
    add_home(bot, "/two")
    assert bot.client().get("/one", query_string=HANDSHAKE).text == "42"
    assert bot.client().get("/two", query_string=HANDSHAKE).text == "my home page"


# Is a view under linking at all


class ClassView(MethodView):
    def post(self) -> str:
        return "bot"


def of_a_class(bot: Bot) -> None:
    class Decorated(ClassView):
        decorators = [bot.linking.webhook]  # noqa: RUF012

    bot.app.add_url_rule("/webhook", view_func=Decorated.as_view("hook"))


def of_a_method(bot: Bot) -> None:
    class Decorated(MethodView):
        @bot.linking.webhook
        def post(self) -> str:
            return "bot"

    bot.app.add_url_rule("/webhook", view_func=Decorated.as_view("hook"))


def in_a_blueprint(bot: Bot) -> None:
    own = Blueprint("messenger", __name__)
    own.add_url_rule("/webhook", "hook", bot.linking.webhook(lambda: "bot"), methods=["POST"])
    bot.app.register_blueprint(own)


def below_others(bot: Bot) -> None:
    limiter = flask_limiter.Limiter(get_remote_address, app=bot.app, storage_uri="memory://")
    limited = limiter.limit("1000/second")(bot.linking.webhook(lambda: "bot"))
    bot.app.add_url_rule("/webhook", "hook", limited, methods=["POST"])


def on_message(bot: Bot) -> None:
    bot.linking.on_message(lambda event: None)


def below_one_that_hides_it(bot: Bot) -> None:
    def plain(view: Any) -> Any:
        def decorated(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs)

        return decorated

    @plain
    @plain
    @bot.linking.webhook
    def webhook() -> str:
        return "bot"

    bot.app.add_url_rule("/webhook", "hook", webhook, methods=["POST"])


RIGHT = [
    add_webhook,
    attach_webhook,
    of_a_class,
    of_a_method,
    in_a_blueprint,
    below_others,
    below_one_that_hides_it,
    on_message,
]


@pytest.mark.parametrize(
    "add", [add_webhook, attach_webhook, of_a_class, of_a_method, below_others, below_one_that_hides_it]
)
def test_the_handshake_is_answered_below_any_decorator(bot: Bot, add: Step) -> None:
    add(bot)
    assert bot.client().get("/webhook", query_string=HANDSHAKE).text == "42"
    assert bot.client().get("/webhook").status_code == 405


@pytest.mark.parametrize("add", RIGHT)
def test_a_view_that_is_under_linking_is_found(bot: Bot, add: Step, caplog: pytest.LogCaptureFixture) -> None:
    add(bot)
    add_form(bot)
    assert states(bot) == ["ok"]
    path = "/linking/webhook" if add is on_message else "/webhook"
    assert bot.post(batch(message_event("hi")), path=path).status_code == 200
    assert not caplog.records


def test_a_class_with_a_get_of_its_own_keeps_it(bot: Bot) -> None:
    class Decorated(MethodView):
        def get(self) -> str:
            return "the bot's own"

        @bot.linking.webhook
        def post(self) -> str:
            return "bot"

    bot.app.add_url_rule("/webhook", view_func=Decorated.as_view("hook"))
    assert bot.client().get("/webhook", query_string=HANDSHAKE).text == "the bot's own"
    assert bot.post(batch(message_event("hi")), path="/webhook").text == "bot"


def test_a_view_that_only_calls_the_webhook_is_none(bot: Bot) -> None:
    @bot.app.post("/webhook")
    @bot.linking.webhook
    def webhook() -> str:
        return "bot"

    @bot.app.post("/test")
    def test() -> str:
        return webhook()

    assert said(bot) == [("ok", "the webhook is at /webhook")]
    assert "GET" not in bot.client().options("/test").headers["Allow"]


def test_functions_that_call_each_other_in_circles_are_looked_at_once_each(bot: Bot) -> None:
    """One by one the ways through twelve would never end."""
    names = [f"helper{number}" for number in range(12)]
    helpers = "".join(f"    def {name}(): return {', '.join(names)}\n" for name in names)
    factory = dict[str, Callable[[], Any]]()
    exec(f"def create():\n{helpers}    return helper0\n", {}, factory)
    bot.app.add_url_rule("/contact", "contact", factory["create"](), methods=["POST"])
    assert states(bot) == ["note"]


def wrong_way_round(bot: Bot) -> None:
    bot.linking.webhook(bot.app.post("/webhook")(lambda: "bot"))


def wrong_way_round_and_called_by_another(bot: Bot) -> None:
    webhook: Callable[[], str] = bot.linking.webhook(bot.app.post("/webhook")(lambda: "bot"))
    bot.app.add_url_rule("/test", "test", lambda: webhook(), methods=["POST"])


def class_registered_bare(bot: Bot) -> None:
    bot.app.add_url_rule("/webhook", view_func=ClassView.as_view("hook"))
    bot.linking.webhook(ClassView.as_view("hook"))


def forgotten(bot: Bot) -> None:
    bot.app.post("/webhook")(lambda: "bot")


@pytest.mark.parametrize(
    ("add", "state"),
    [
        (wrong_way_round, "wrong"),
        (wrong_way_round_and_called_by_another, "wrong"),
        (class_registered_bare, "wrong"),
        (forgotten, "note"),
    ],
)
def test_a_view_that_nothing_verifies_is_told_by_check_and_once_by_the_log(
    bot: Bot, add: Step, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    add(bot)
    ((told, what),) = said(bot)
    assert told == state
    assert "below the route's decorator" in what
    assert what in bot.app.test_cli_runner().invoke(args=["linking", "check"]).output
    assert warnings(caplog) == []
    for _ in range(3):
        bot.client().post("/webhook")
    assert warnings(caplog) == [what]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_app_with_no_view_for_posts_is_a_note_and_no_warning(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    """It may hold the pages of a bot whose webhook is in another framework."""
    add_home(bot, "/")
    assert states(bot) == ["note"]
    bot.client().get("/")
    assert not caplog.records


def test_two_first_requests_at_once_settle_once(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten(bot)
    host, begun, together = bot.linking._here().host, list[int](), Barrier(8)

    def look() -> list[Any]:
        begun.append(1)
        return []

    monkeypatch.setattr(host, "_about_views", look)

    def post() -> None:
        together.wait(30)
        bot.client().post("/webhook")

    threads = [Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert begun == [1]


def test_a_host_that_cannot_be_looked_through_is_served_all_the_same(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add_webhook(bot)
    monkeypatch.setattr(bot.linking._here().host, "settle", lambda: 1 / 0)
    for _ in range(2):
        assert bot.post(batch(message_event("hi")), path="/webhook").text == "bot"
    assert warnings(caplog) == ["the host's views could not be looked through"]


# Extensions that judge every request


def csrf_of(app: Flask) -> CSRFProtect:
    app.config["WTF_CSRF_ENABLED"] = True
    return CSRFProtect(app)


def named_webhook(bot: Bot, linking: AccountLinking) -> Callable[..., Any]:
    @bot.app.post("/webhook")
    @linking.webhook
    def webhook() -> str:
        return "bot"

    return webhook


@pytest.mark.parametrize("order", list(permutations(["csrf", "webhook"])), ids=str)
def test_a_webhook_that_csrf_protection_refuses_is_told_with_what_to_do(
    bot: Bot, order: tuple[str, ...]
) -> None:
    made: dict[str, Any] = {}
    for step in order:
        made[step] = csrf_of(bot.app) if step == "csrf" else named_webhook(bot, bot.linking)
    body = batch(message_event("hi"))
    assert bot.post(body, path="/webhook").status_code == 400
    assert ("wrong", "Flask-WTF refuses Messenger's POSTs to webhook: csrf.exempt(webhook)") in said(bot)
    made["csrf"].exempt(made["webhook"])
    assert states(bot) == ["ok"]
    assert bot.post(body, path="/webhook").status_code == 200


@pytest.mark.parametrize("order", [0, 1])
def test_our_own_blueprint_needs_no_exemption_from_csrf_protection(
    settings: dict[str, Any], new_bot: NewBot, order: int
) -> None:
    app = Flask("tests.host")
    app.config["SECRET_KEY"] = "k" * 40
    if order:
        csrf_of(app)
    bot = new_bot(app)
    if not order:
        csrf_of(app)
    bot.linking.on_message(lambda event: None)
    assert bot.post(batch(message_event("hi"))).status_code == 200
    bot.link()
    assert bot.linking.links_of("1")


def test_a_blueprint_that_is_exempt_from_csrf_protection_is_well(bot: Bot) -> None:
    csrf = csrf_of(bot.app)
    in_a_blueprint(bot)
    assert "wrong" in states(bot)
    csrf.exempt(bot.app.blueprints["messenger"])
    assert states(bot) == ["ok"]


def test_csrf_protection_that_is_switched_off_is_no_matter(bot: Bot) -> None:
    CSRFProtect(bot.app)
    bot.app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    named_webhook(bot, bot.linking)
    assert states(bot) == ["ok"]


def test_a_limiter_that_counts_messenger_is_told_with_what_to_do(bot: Bot) -> None:
    limiter = flask_limiter.Limiter(
        get_remote_address, app=bot.app, default_limits=["3/minute"], storage_uri="memory://"
    )
    webhook = named_webhook(bot, bot.linking)
    body = batch(message_event("hi"))
    assert [bot.post(body, path="/webhook").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert [what for state, what in said(bot) if state == "wrong"] == [
        "Flask-Limiter counts Messenger as one caller, so it refuses busy hours of webhook: "
        "limiter.exempt(webhook)"
    ]
    assert [what.split()[-1] for state, what in said(bot) if state == "note"] == [
        "limiter.exempt(linking.blueprint)"
    ]
    limiter.exempt(webhook)
    limiter.exempt(bot.linking.blueprint)
    assert states(bot) == ["ok"]
    assert {bot.post(body, path="/webhook").status_code for _ in range(8)} == {200}


def test_a_limiter_without_limits_for_all_is_no_matter(bot: Bot) -> None:
    flask_limiter.Limiter(get_remote_address, app=bot.app, storage_uri="memory://")
    named_webhook(bot, bot.linking)
    assert states(bot) == ["ok"]
