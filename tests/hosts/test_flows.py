"""The whole flow in hosts like real bots: prompt, sign-in, consent, confirmation, the interrupted action,
log out, and the prompt again."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import django.conf
import flask_limiter
import pytest
import requests
from flask import Flask, Response, g, redirect, request, session
from flask_cors import CORS
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, login_user
from flask_talisman import Talisman
from flask_wtf import CSRFProtect

from bot_linking import Account, AccountLinked, AccountLinking, Link, account_linked
from bot_linking.simulator import Simulator
from bot_linking.testing import LinkingWalk
from tests.bots import Bot
from tests.guides.blocks import guide_of, snippet, texts_of
from tests.hosts.serving import listening, serve_asgi, serve_wsgi
from tests.wire import PAGE, PSID, batch, message_event


def check_password(username: str, password: str) -> Account | None:
    return Account("1", username=username) if password == "lovelace-1815" else None


class Shop:
    """What the bots sell: a handler that needs a login."""

    def __init__(self, linking: AccountLinking, send: Callable[[str, str], Any] | None = None) -> None:
        self._send = send or (lambda psid, text: linking.bot.send_text_message(psid, text))
        self.orders = linking.login_required(text="Log in to see your orders.")(self._orders)

    def _orders(self, event: dict[str, Any], link: Any) -> None:
        self._send(event["sender"]["id"], f"Orders of {link.username}")

    def answer(self, event: dict[str, Any]) -> None:
        if event.get("message", {}).get("text") == "orders":
            self.orders(event)

    def answer_all(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            self.answer(event)


def handle(event: dict[str, Any], linking: AccountLinking) -> None:
    """What the guide's bots without Flask do with an event."""
    shop: Shop = getattr(linking, "shop", None) or Shop(linking)
    linking.shop = shop  # type: ignore[attr-defined]
    shop.answer(event)


def flask_host(settings: dict[str, Any]) -> tuple[Flask, AccountLinking]:
    app = Flask("tests.host")
    app.config.update(settings, SECRET_KEY="k" * 40)
    return app, AccountLinking(app, authenticate=check_password)


def messaging(payload: Any) -> list[dict[str, Any]]:
    """The events of a payload, by the loop that bots usually have."""
    return [event for entry in payload["entry"] for event in entry.get("messaging", [])]


# Shapes


def one_view_for_both(settings: dict[str, Any]) -> Any:
    """One view for GET and POST at the root, with a handshake of its own."""
    app, linking = flask_host(settings)
    shop = Shop(linking)

    @app.route("/", methods=["GET", "POST"])
    @linking.webhook
    def root() -> str:
        if request.method == "GET":
            return request.args.get("hub.challenge", "the bot's own page")
        for event in messaging(request.get_json()):
            shop.answer(event)
        return "success"

    return app


def requests_to_graph(settings: dict[str, Any]) -> Any:
    """Sends with `requests`, and registers its GET view first."""
    app, linking = flask_host(settings)

    def send(psid: str, text: str) -> None:
        answer = requests.post(
            settings["BOT_LINKING_GRAPH_URL"] + "/v2.6/me/messages",
            params={"access_token": settings["BOT_LINKING_PAGE_ACCESS_TOKEN"]},
            json={"recipient": {"id": psid}, "messaging_type": "RESPONSE", "message": {"text": text}},
            timeout=30,
        )
        answer.raise_for_status()

    shop = Shop(linking, send)
    app.get("/", endpoint="verify")(lambda: request.args.get("hub.challenge", "hello"))

    @app.post("/")
    @linking.webhook
    def root() -> tuple[str, int]:
        for event in messaging(request.get_json()):
            shop.answer(event)
        return "ok", 200

    return app


def nulls_and_attach(settings: dict[str, Any]) -> Any:
    """A client that sends every field, null where unused; the host's view cannot be edited and reads
    bytes."""
    app, linking = flask_host(settings)

    def send(psid: str, text: str) -> None:
        message = {"text": text, "attachment": None, "quick_replies": None, "metadata": None}
        linking.bot.send_raw(
            {"recipient": {"id": psid, "phone_number": None}, "message": message, "sender_action": None,
             "messaging_type": "RESPONSE", "notification_type": None}
        )  # fmt: skip

    shop = Shop(linking, send)

    def hook() -> str:
        for event in messaging(json.loads(request.get_data(as_text=True))):
            assert "account_linking" not in event
            shop.answer(event)
        return "ok"

    app.add_url_rule("/", "hook", hook, methods=["POST"])
    linking.attach(app, "hook")
    return app


def class_client(settings: dict[str, Any]) -> Any:
    """A client that is a class, and reads with `get_json(force=True)`."""
    app, linking = flask_host(settings)
    shop = Shop(linking)

    class Messenger:
        def handle(self, payload: dict[str, Any]) -> None:
            for event in messaging(payload):
                shop.answer(event)

    client = Messenger()

    @app.route("/", methods=["POST"])
    @linking.webhook
    def webhook() -> str:
        client.handle(request.get_json(force=True))
        return ""

    return app


def own_old_signature(settings: dict[str, Any]) -> Any:
    """Checks the older signature itself, over the text of the body."""
    app, linking = flask_host(settings)
    shop, secret = Shop(linking), settings["BOT_LINKING_APP_SECRET"].encode()

    @app.post("/")
    @linking.webhook
    def webhook() -> tuple[str, int]:
        given = request.headers.get("X-Hub-Signature")
        body = request.get_data(as_text=True).encode()
        if given is not None and given != "sha1=" + hmac.new(secret, body, hashlib.sha1).hexdigest():
            return "bad signature", 403
        for event in messaging(request.get_json()):
            shop.answer(event)
        return "ok", 200

    app.errorhandler(404)(lambda error: ({"error": "not found"}, 404))
    return app


def a_thread_for_each_post(settings: dict[str, Any]) -> Any:
    app, linking = flask_host(settings)
    shop = Shop(linking)

    @app.post("/")
    @linking.webhook
    def webhook() -> str:
        events = messaging(request.get_json())
        threading.Thread(target=shop.answer_all, args=(events,), daemon=True).start()
        return "ok"

    return app


def answers_after_the_request(settings: dict[str, Any]) -> Any:
    """CSRF protection for its forms; it answers in a teardown function."""
    app, linking = flask_host(settings)
    csrf, shop = CSRFProtect(app), Shop(linking)

    @app.post("/")
    @csrf.exempt  # type: ignore[untyped-decorator]
    @linking.webhook
    def webhook() -> str:
        g.is_webhook = True
        return "ok"

    @app.teardown_request
    def answer(error: BaseException | None) -> None:
        if g.get("is_webhook"):
            for event in messaging(request.get_json()):
                shop.answer(event)

    return app


def every_extension_at_once(settings: dict[str, Any]) -> Any:
    """Talisman, CORS, a limiter, a log-in manager and CSRF protection, with Vue's delimiters."""

    class Host(Flask):
        jinja_options = {  # noqa: RUF012
            **Flask.jinja_options, "variable_start_string": "[[", "variable_end_string": "]]",
        }  # fmt: skip

    app = Host("tests.host")
    app.config.update(settings, SECRET_KEY="k" * 40)
    Talisman(app, force_https=False)
    CORS(app)
    LoginManager(app).user_loader(lambda user_id: None)
    csrf = CSRFProtect(app)
    limiter = flask_limiter.Limiter(
        get_remote_address, app=app, default_limits=["2/minute"], storage_uri="memory://"
    )
    linking = AccountLinking(app, authenticate=check_password)
    shop = Shop(linking)
    limiter.exempt(linking.blueprint)

    @app.post("/")
    @csrf.exempt  # type: ignore[untyped-decorator]
    @limiter.exempt
    @linking.webhook
    def webhook() -> str:
        for event in linking.events():
            shop.answer(event)
        return "ok"

    return app


def below_a_path_that_the_proxy_strips(settings: dict[str, Any]) -> Any:
    """The world sees `/bots/shop/...`; the app does not know of it."""
    public = settings["BOT_LINKING_PUBLIC_URL"] + "/bots/shop"
    inner = own_old_signature(settings | {"BOT_LINKING_PUBLIC_URL": public})

    def proxy(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path.startswith("/bots/shop/"):
            return inner(environ | {"PATH_INFO": path.removeprefix("/bots/shop")}, start_response)
        if path != "/":
            return Response("nothing here", 404)(environ, start_response)
        return inner(environ, start_response)

    proxy.bot = inner  # type: ignore[attr-defined]
    return proxy


def of_the_guide(name: str) -> Callable[[dict[str, Any]], Any]:
    """The guide's code, run as a module."""

    def make(settings: dict[str, Any]) -> Any:
        module = ModuleType(f"tests.hosts.guide_{name}")
        sys.modules[module.__name__] = module
        vars(module).update(check_password=check_password, handle=handle)
        if name == "django":
            django.conf.settings.configure(
                ALLOWED_HOSTS=["*"], ROOT_URLCONF=module.__name__, SECRET_KEY="k" * 40
            )
        exec(compile(snippet("messenger", name), f"guide, {name}", "exec"), vars(module))
        return module.app, module.linking

    return make


WSGI = [
    one_view_for_both, requests_to_graph, nulls_and_attach, class_client, own_old_signature,
    a_thread_for_each_post, answers_after_the_request, every_extension_at_once,
    below_a_path_that_the_proxy_strips,
]  # fmt: skip


class World:
    def __init__(self, messenger: Simulator, walk: LinkingWalk, settings: dict[str, Any]) -> None:
        self.messenger, self.walk, self.settings = messenger, walk, settings
        self.ada = messenger.people[0].psid

    def heard(self, words: str) -> int:
        return sum(words in str(sent) for sent in self.messenger.messages(self.ada))

    def go(self) -> None:
        """The flow."""
        self.messenger.say(self.ada, "hello")
        self.messenger.say(self.ada, "orders")
        self.walk.link(self.ada, "ada", "lovelace-1815")
        assert self.walk.hears(self.ada, "You are now connected")
        assert self.walk.hears(self.ada, "Orders of ada")
        self.messenger.say(self.ada, "orders")
        assert self.messenger.wait_until(lambda: self.heard("Orders of ada") == 2)
        prompts = self.heard("Log in to see your orders.")
        self.messenger.tap(self.ada, {"type": "account_unlink"})
        assert self.walk.hears(self.ada, "This chat is disconnected")
        self.messenger.say(self.ada, "orders")
        assert self.messenger.wait_until(lambda: self.heard("Log in to see your orders.") > prompts)
        assert self.heard("Orders of ada") == 2
        assert all(each.accepted for each in self.messenger.deliveries)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def begin(
    messenger: Simulator,
    linking_walk: LinkingWalk,
    tmp_path: Path,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., World]:
    """Serve a host; returns its address. The environment holds its settings, too."""

    def begin(make: Callable[[dict[str, Any]], Any], serve: Any, path: str) -> World:
        listener, url = stack.enter_context(listening())
        settings = {
            **messenger.settings_for_bot(),
            "BOT_LINKING_PUBLIC_URL": url,
            "BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/links.db",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("BOT_LINKING_SECRET_KEY", "k" * 40)
        app = make(settings)
        app, linking = app if isinstance(app, tuple) else (app, linking_of(app))
        stack.callback(linking.store.close)
        stack.callback(linking.delivery.stop)
        stack.enter_context(serve(app, listener))
        messenger.webhook_url = url + path
        return World(messenger, linking_walk, settings)

    return begin


def linking_of(app: Any) -> AccountLinking:
    linking: AccountLinking = getattr(app, "bot", app).extensions["bot_linking"]
    return linking


@pytest.mark.parametrize("make", WSGI, ids=lambda make: make.__name__)
def test_the_flow_goes_through_a_host_of_this_shape(begin: Callable[..., World], make: Any) -> None:
    begin(make, serve_wsgi, "/").go()


@pytest.mark.parametrize(
    ("name", "serve"), [("fastapi", serve_asgi), ("quart", serve_asgi), ("django", serve_wsgi)]
)
def test_the_flow_goes_through_the_guides_bot_of_another_framework(
    begin: Callable[..., World], name: str, serve: Any
) -> None:
    world = begin(of_the_guide(name), serve, "/webhook")
    assert world.messenger.handshake()
    world.go()
    url = world.settings["BOT_LINKING_PUBLIC_URL"] + "/webhook"
    assert requests.post(url, data=b"{}", timeout=30).status_code == 403
    assert requests.get(url, params={"hub.mode": "subscribe"}, timeout=30).status_code == 403


# The guide's other pieces of code


def run_snippet(name: str, **given: Any) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "guide", "check_password": check_password, **given}
    exec(compile(snippet("messenger", name), f"guide, {name}", "exec"), names)
    return names


def test_the_guides_factory_greets(settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    names, before = run_snippet("factory", answer=lambda event: None), set(account_linked.receivers)
    app = names["create_app"](settings)
    app.logger.setLevel("INFO")
    receivers = set(account_linked.receivers) - before
    now = datetime.now(UTC)
    link = Link(PAGE, PSID, "7", None, None, None, "login", now, now)
    with app.app_context():
        names["linking"]._tell(weakref.ref(app), AccountLinked(link))
    assert "account 7 linked" in caplog.text
    for receiver in receivers:
        del account_linked.receivers[receiver]
    names["linking"].store.close()


def test_the_guides_flask_login_host_asks_for_no_password_again(settings: dict[str, Any]) -> None:
    class User(UserMixin):  # type: ignore[misc]
        id, name = "7", "ada"

    app = Flask("tests.host")
    app.config.update(settings)
    names = run_snippet("flask-login", app=app)
    names["logins"].user_loader(lambda user_id: User())
    with app.test_request_context():
        assert names["current_account"]() is None
        login_user(User())
        assert names["current_account"]() == Account("7", username="ada")
    assert names["linking"].settings.login_url.endswith("{next}")
    names["linking"].store.close()


def test_the_guides_wall_lets_messenger_and_the_person_through(bot: Bot) -> None:
    run_snippet("wall", app=bot.app, request=request, session=session, redirect=redirect)
    bot.app.post("/webhook", endpoint="webhook")(bot.linking.webhook(lambda: "bot"))
    bot.app.get("/private", endpoint="private")(lambda: "private")
    assert bot.post(batch(message_event("hi")), path="/webhook").text == "bot"
    assert bot.client().get("/linking/login").status_code == 400
    assert bot.client().get("/private").status_code == 302


def test_every_piece_of_the_guides_code_compiles() -> None:
    code = texts_of(guide_of("messenger"))
    assert len(code) >= 7
    for each in code:
        compile(each, "guide", "exec")
