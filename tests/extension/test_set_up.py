"""Set-up refuses what is unsafe, changes nothing of the host, and works with the host's own settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, request, session
from flask.sessions import SecureCookieSession, SessionInterface

from bot_linking import Account, AccountLinking, ConfigurationError, PageUnknown
from bot_linking.config.reading import read_settings, table
from bot_linking.config.settings import Settings
from tests.bots import Bot, NewBot
from tests.people import ADA, Site
from tests.wire import (
    APP_SECRET,
    PAGE,
    PAGE_TOKEN,
    PSID,
    SECRET_KEY,
    VERIFY_TOKEN,
    batch,
    linked_event,
    message_event,
)

Config = dict[str, Any]
REAL_GRAPH = "https://graph.facebook.com"


def app_of(config: Config) -> Flask:
    app = Flask("tests.host")
    app.config.update(config)
    return app


def refuse(config: Config, **arguments: Any) -> ConfigurationError:
    """The error that an app of this configuration raises at its start."""
    app = app_of(config)
    with pytest.raises(ConfigurationError) as caught:
        AccountLinking(app, **(arguments or {"authenticate": lambda name, password: None}))
    assert "bot_linking" not in app.extensions
    return caught.value


# Configuration


@pytest.mark.parametrize("key", ["PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PUBLIC_URL"])
@pytest.mark.parametrize("empty", [None, ""], ids=["missing", "empty"])
def test_a_missing_key_stops_the_start_and_is_named(settings: Config, key: str, empty: str | None) -> None:
    settings[f"BOT_LINKING_{key}"] = empty
    assert refuse(settings).key == f"BOT_LINKING_{key}"


def test_a_missing_signing_key_stops_the_start_and_is_named(settings: Config) -> None:
    del settings["SECRET_KEY"]
    assert refuse(settings).key == "BOT_LINKING_SECRET_KEY"


def test_all_that_is_missing_is_in_one_message_and_the_public_url_comes_first(settings: Config) -> None:
    keys = ["PUBLIC_URL", "PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "SECRET_KEY"]
    config = {"BOT_LINKING_DATABASE": settings["BOT_LINKING_DATABASE"], "BOT_LINKING_LOCALE": "english!"}
    problem = refuse(config)
    assert {sentence.split()[0] for sentence in problem.problems} == {
        f"BOT_LINKING_{key}" for key in (*keys, "LOCALE")
    }
    assert problem.key == "BOT_LINKING_PUBLIC_URL"
    assert all(sentence in str(problem) for sentence in problem.problems)
    assert "the app secret, which signs webhooks" in str(problem)


def test_a_signing_key_of_flasks_own_is_named_as_such(settings: Config) -> None:
    assert "the app's SECRET_KEY" in str(refuse(settings | {"SECRET_KEY": "dev"}))


_SAMPLES = """
changeme your-secret-key super-secret-key secret_key replace-me YOUR_APP_SECRET Passw0rd! p@ssword123
supersecretkey <your-app-secret> change_me_please secretsecret aaaaaaaa abababab -------- 12345678
87654321 abcdefgh qwertyui asdfghjk abc123abc 1qaz2wsx 00001111
"""
SAMPLES = _SAMPLES.split()


@pytest.mark.parametrize("key", ["APP_SECRET", "VERIFY_TOKEN", "SECRET_KEY", "EXTERNAL_KEYS"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_is_no_secret_however_it_is_written(settings: Config, key: str, sample: str) -> None:
    problem = refuse(settings | {f"BOT_LINKING_{key}": sample})
    assert problem.key == f"BOT_LINKING_{key}"
    assert sample not in str(problem)


@pytest.mark.parametrize("sample", ["k" * 16, "1234567890123456", "abcdefghijklmnopqrstuvwxyz", "aA" * 12])
def test_a_signing_key_is_not_one_mark_again_and_again_nor_a_run(settings: Config, sample: str) -> None:
    assert refuse(settings | {"BOT_LINKING_SECRET_KEY": sample}).key == "BOT_LINKING_SECRET_KEY"


@pytest.mark.parametrize("key", ["APP_SECRET", "VERIFY_TOKEN", "SECRET_KEY", "EXTERNAL_KEYS"])
def test_beside_the_real_graph_no_length_makes_one_mark_a_secret(settings: Config, key: str) -> None:
    assert AccountLinking(app_of(settings | {f"BOT_LINKING_{key}": "k" * 40}))
    real = settings | {f"BOT_LINKING_{key}": "k" * 40, "BOT_LINKING_GRAPH_URL": REAL_GRAPH}
    assert refuse(real).key == f"BOT_LINKING_{key}"


def test_a_graph_that_is_not_metas_is_named_at_the_start(
    settings: Config, caplog: pytest.LogCaptureFixture
) -> None:
    AccountLinking(app_of(settings))
    AccountLinking(app_of(settings | {"BOT_LINKING_GRAPH_URL": REAL_GRAPH}))
    assert "GRAPH_URL" not in caplog.text
    caplog.clear()
    AccountLinking(app_of(settings | {"BOT_LINKING_GRAPH_URL": "https://graph.facebook.com.example"}))
    (record,) = caplog.records
    assert "BOT_LINKING_GRAPH_URL is graph.facebook.com.example" in record.getMessage()


def spoilt(value: str) -> list[str]:
    """The value with a character that nobody can see: the mark that editors on Windows put before a text,
    the end of a line, half a surrogate pair (as a byte that is no UTF-8 becomes)."""
    middle = len(value) // 2
    inside = [value[:middle] + mark + value[middle:] for mark in ("\r", "\n", "\0", "\x01", "\x0b", "\udcff")]
    return ["\ufeff" + value, *inside]


UNSAFE: dict[str, list[Any]] = {
    "PAGE_ACCESS_TOKEN": [" ", 17, ["a-page-token", 17], [], "changeme", *spoilt("a-page-token"), "EAAtŁok"],
    "APP_SECRET": [
        " ",
        "sh0rt",
        "changeme",
        "Password",
        17,
        [],
        [""],
        ["long-enough-secret", "short"],
        {},
        *spoilt("long-enough-secret"),
    ],
    "VERIFY_TOKEN": [" ", 17, "SECRET", "x", "1234567", *spoilt("long-enough-verify")],
    "PAGE_ID": ["a b", "1" * 65, 1.5, True, "1/2", ["1"]],
    "SECRET_KEY": ["sh0rt", "changeme", ["k" * 16, "short"], 17, "fifteen-letters"],
    "PUBLIC_URL": [
        "http://bot.example",
        "b0t.example",
        "https:///",
        "https://bot.example/?a=1",
        "https://bot.example/#a",
        "https://user@bot.example",
        "javascript:alert(1)",
        "https://bot.example:port",
        "https://bot\\.example",
        'https://bot.example/"x',
        "https://bot example",
        "https://böt.example",
        17,
        "http://127.0.0.1.evil.example",
        "http://[::1",
        "ftp://127.0.0.1",
    ],
    "GRAPH_URL": [
        "http://graph.facebook.com",
        "graph.facebook.com",
        "http://10.0.0.1",
        "https://graph.facebook.com:70000",
    ],
    "GRAPH_VERSION": ["26.0", "v26", "v26.0/..", "latest", 26.0],
    "DATABASE": [
        "links.db",
        "mysql://x/y",
        "sqlite:/x.db",
        17,
        "sqlite:///:memory:",
        "sqlite:///file::memory:",
        "sqlite:////srv/two.db?mode=ro",
    ],
    "BRAND_COLOR": ["red", "#12345", "#1234567", "#12345g", "#1b5e52;x:y"],
    "BRAND_LOGO": ["http://bot.example/a.png", "//evil.example/a.png", "data:image/png;base64,", "logo.png"],
    "LOCALE": ["", "english!", "../en", "e", 17],
    "LOGIN_URL": ["http://bot.example/login", "//evil.example/login", "login", "/\\evil.example"],
    "RETURN_HOSTS": [
        "http://example.com",
        "https://example.com",
        "*",
        "*.facebook.com",
        "a b",
        [],
        "EXAMPLE.com",
        "http://127.0.0.1:70000",
    ],
    "CODE_MAX_AGE": [0, 29, 301, "5 minutes", -1, 1.5, True, "٣٠", "60\n"],
    "STRICT": ["maybe", 2, None, []][:2],
    "CONFIRMATION_PAGE": ["perhaps", 7],
    "DELIVERY": ["threads", "", "none"][::2],
    "SIGN_IN_LIMIT": [0, 101, "x"],
    "ADDRESS_LIMIT": [0, 10_001],
    "SIGN_IN_CONCURRENCY": [0, 65],
    "TRUSTED_PROXIES": [-1, 11, True],
    "PAGES": ["{", "[]", {}, [], "{}", {"1": {}}, {"1": {"access_token": "abcd"}}, 17],
}


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key, values in UNSAFE.items() for value in values if value != ""],
    ids=repr,
)
def test_an_unsafe_value_stops_the_start_names_the_key_and_shows_nothing(
    settings: Config, key: str, value: Any
) -> None:
    if key == "PAGES":
        settings = {
            name: of for name, of in settings.items() if "APP_SECRET" not in name and "TOKEN" not in name
        }
        del settings["BOT_LINKING_PAGE_ID"]
    problem = refuse(settings | {f"BOT_LINKING_{key}": value})
    assert problem.key == f"BOT_LINKING_{key}"
    assert str(problem).startswith(f"BOT_LINKING_{key} ")
    assert len(str(value)) < 5 or str(value) not in str(problem)


def test_text_of_the_environment_that_is_no_unicode_is_refused_by_its_name(settings: Config) -> None:
    for key in ("BRAND_NAME", "NEXT_STEP", "SECRET_KEY", "DATABASE"):
        problem = refuse(settings | {f"BOT_LINKING_{key}": "sqlite:////srv/a-long-text-\udcff.db"})
        assert str(problem) == f"BOT_LINKING_{key} is not Unicode text"


def test_each_key_has_a_refusal_or_takes_any_text() -> None:
    """A new key must be added to the list above, or here with a reason."""
    any_text = {"BRAND_NAME", "NEXT_STEP"}
    others_rooms = {"API_FAILURE_LIMIT", "VERIFY_PSID"}
    keys = {key.removeprefix("BOT_LINKING_") for key, _, _ in table()}
    assert {"PAGE_ACCESS_TOKEN", "DATABASE"} <= keys
    assert set(UNSAFE) <= keys
    assert any_text <= keys
    assert not set(UNSAFE) & (any_text | others_rooms)


@pytest.mark.parametrize("key", ["APP_SECRET", "PAGE_ACCESS_TOKEN"])
def test_the_simulators_secrets_are_refused_beside_a_real_graph(settings: Config, key: str) -> None:
    settings |= {f"BOT_LINKING_{key}": "simulator-abcdefghijkl", "BOT_LINKING_GRAPH_URL": REAL_GRAPH}
    problem = refuse(settings)
    assert problem.key == f"BOT_LINKING_{key}"
    assert "simulator's" in str(problem)


def test_the_simulators_secrets_are_good_for_a_graph_on_this_machine(new_bot: NewBot) -> None:
    assert new_bot(APP_SECRET="simulator-abcdefghijkl", PAGE_ACCESS_TOKEN="simulator-mnopqrstuv")


def test_a_key_that_is_no_setting_is_refused_by_its_name(settings: Config) -> None:
    assert refuse(settings | {"BOT_LINKING_APP_SECRETS": "x"}).key == "BOT_LINKING_APP_SECRETS"


def test_one_pages_own_client_is_not_taken_for_several_pages(settings: Config) -> None:
    page = {"access_token": "token-one", "app_secret": "secret-number-one", "verify_token": "verify-one"}
    single = {"PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID"}
    pages = {key: value for key, value in settings.items() if key.removeprefix("BOT_LINKING_") not in single}
    refused = refuse(pages | {"BOT_LINKING_PAGES": {"1": page, "2": page}}, bot=object())
    assert "bot=" in refused.key


def test_a_login_page_of_the_sites_own_needs_somebody_who_knows_who_came_back(settings: Config) -> None:
    assert refuse(settings | {"BOT_LINKING_LOGIN_URL": "/login"}).key == "BOT_LINKING_LOGIN_URL"


def test_pages_and_the_keys_of_a_single_page_exclude_each_other(settings: Config) -> None:
    page = {"access_token": "token-one", "app_secret": "secret-number-one", "verify_token": "verify-one"}
    assert refuse(settings | {"BOT_LINKING_PAGES": {"1": page}}).key == "BOT_LINKING_PAGES"


def test_what_is_wrong_with_several_pages_is_not_said_to_be_missing_of_one(settings: Config) -> None:
    page = {"access_token": "token-one", "app_secret": "secret-number-one", "verify_token": "verify-token"}
    single = {"PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID"}
    pages = {key: value for key, value in settings.items() if key.removeprefix("BOT_LINKING_") not in single}
    refused = refuse(pages | {"BOT_LINKING_PAGES": {"1": page}})
    assert str(refused).count("BOT_LINKING_") == 1, str(refused)


def test_a_setting_may_come_from_the_environment(new_bot: NewBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOT_LINKING_NEXT_STEP", "from the environment")
    monkeypatch.setenv("BOT_LINKING_CODE_MAX_AGE", "120")
    monkeypatch.setenv("BOT_LINKING_STRICT", "yes")
    settings = new_bot().linking.settings
    assert (settings.next_step, settings.code_max_age, settings.strict) == ("from the environment", 120, True)


def test_the_apps_configuration_wins_over_the_environment(
    new_bot: NewBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOT_LINKING_BRAND_NAME", "from the environment")
    assert new_bot(BRAND_NAME="from the app").linking.settings.brand_name == "from the app"


def test_an_argument_wins_over_both(new_bot: NewBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOT_LINKING_STRICT", "false")
    assert new_bot(STRICT=False, strict=True).linking.settings.strict


def test_everything_may_come_from_the_environment(
    settings: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for key, value in settings.items():
        if key.startswith("BOT_LINKING_"):
            monkeypatch.setenv(key, str(value))
    monkeypatch.setenv("BOT_LINKING_APP_SECRET", f"{APP_SECRET},another-app-secret")
    monkeypatch.setenv("BOT_LINKING_SECRET_KEY", SECRET_KEY)
    settings_read = read_settings({}, os.environ, {})
    assert settings_read.app_secret == (APP_SECRET, "another-app-secret")
    assert settings_read.pages[0].id == PAGE


def test_several_pages_may_come_as_json_from_the_environment(settings: Config) -> None:
    page = {"access_token": "token-one", "app_secret": "secret-number-one", "verify_token": "verify-one"}
    keys = ("PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID")
    given = {key: value for key, value in settings.items() if key.removeprefix("BOT_LINKING_") not in keys}
    given |= {"BOT_LINKING_PAGES": json.dumps({"1": page, "2": page}), "BOT_LINKING_SECRET_KEY": SECRET_KEY}
    assert [each.id for each in read_settings(given, {}, {}).pages] == ["1", "2"]


def test_the_database_is_a_file_in_the_instance_folder_by_default(new_bot: NewBot, tmp_path: Path) -> None:
    linking = new_bot(DATABASE="").linking
    assert linking.settings.database == f"sqlite:///{tmp_path}/bot_linking.db"
    assert (tmp_path / "bot_linking.db").stat().st_mode & 0o077 == 0


def test_settings_are_frozen(bot: Bot) -> None:
    with pytest.raises(AttributeError):
        bot.linking.settings.app_secret = ("x",)  # type: ignore[misc]


def test_nothing_shows_a_secret_when_it_is_printed(new_bot: NewBot) -> None:
    bot = new_bot()
    installation = bot.linking._here()
    shown = [
        repr(bot.linking),
        repr(bot.linking.settings),
        str(bot.linking.settings.pages),
        repr(bot.linking.bot),
        repr(installation),
        repr(installation.webhook),
        repr(installation.linking),
        repr(bot.linking.delivery),
        repr(bot.linking.store),
        repr(bot.linking.bot.graph),
        f"{bot.linking.settings}",
    ]
    for secret in (APP_SECRET, PAGE_TOKEN, VERIFY_TOKEN, SECRET_KEY):
        assert not [text for text in shown if secret in text]


def test_a_linked_event_shows_no_code_when_it_is_printed() -> None:
    from bot_linking.messenger.events import read_linking_event

    assert "c0de-of-the-test" not in repr(read_linking_event(linked_event("c0de-of-the-test")))


def test_every_key_says_what_it_means() -> None:
    rows = list(table())
    assert len(rows) == len({key for key, _, _ in rows}) > 20
    assert all(key.startswith("BOT_LINKING_") and meaning for key, _, meaning in rows)


# Registration


def test_registering_twice_is_refused_and_the_first_goes_on(bot: Bot) -> None:
    with pytest.raises(ValueError, match="already registered"):
        bot.linking.init_app(bot.app)
    with pytest.raises(RuntimeError, match="once"):
        bot.app.register_blueprint(bot.linking.blueprint, name="second", url_prefix="/second")
    second = AccountLinking(authenticate=lambda name, password: None)
    with pytest.raises((ValueError, RuntimeError)):
        second.init_app(bot.app, url_prefix="/second")
    assert bot.app.extensions["bot_linking"] is bot.linking
    assert bot.browser().open().status_code == 200


def test_register_blueprint_and_init_app_come_to_the_same(settings: Config) -> None:
    def rules(register: Callable[[AccountLinking, Flask], object]) -> set[str]:
        app = Flask("tests.host")
        app.config.update(settings)
        register(AccountLinking(authenticate=lambda name, password: None), app)
        return {
            f"{rule.rule} {rule.endpoint} {sorted(rule.methods or ())}" for rule in app.url_map.iter_rules()
        }

    by_hand = rules(lambda linking, app: app.register_blueprint(linking.blueprint, url_prefix="/x"))
    by_method = rules(lambda linking, app: linking.init_app(app, url_prefix="/x"))
    at_once = rules(lambda linking, app: linking.init_app(app))
    assert by_hand == by_method
    assert {rule.replace("/x/", "/linking/", 1) for rule in by_hand} == at_once


def test_before_it_is_registered_it_says_so() -> None:
    linking = AccountLinking(authenticate=lambda name, password: None)
    with pytest.raises(RuntimeError, match="not registered"):
        linking.link_of(PSID)


def test_one_object_serves_two_apps_each_with_its_own_store(settings: Config, tmp_path: Path) -> None:
    linking = AccountLinking(authenticate=lambda name, password: ADA if password == "right" else None)
    apps = []
    for name in ("one", "two"):
        app = Flask(f"tests.{name}")
        app.config.update(settings | {"BOT_LINKING_DATABASE": f"sqlite:///{tmp_path}/{name}.db"})
        app.config["BOT_LINKING_PUBLIC_URL"] = f"https://{name}.example"
        linking.init_app(app)
        apps.append(app)
    with pytest.raises(RuntimeError):
        linking.link_of(PSID)
    one, two = apps
    with one.app_context():
        linking.store.save_resume(PAGE, PSID, {"x": 1}, 0)
        assert linking.login_button()["url"] == "https://one.example/linking/login"
    with two.app_context():
        assert linking.store.take_resume(PAGE, PSID) is None
        assert linking.login_button()["url"] == "https://two.example/linking/login"
    with one.app_context():
        assert linking.store.take_resume(PAGE, PSID) == {"x": 1}
    stranger = Flask("tests.stranger")
    with stranger.app_context(), pytest.raises(RuntimeError, match="current app"):
        linking.link_of(PSID)


@pytest.mark.parametrize("prefix", ["/linking", "/a/b", "/é"[:1] + "x"])
def test_it_lives_under_any_prefix(new_bot: NewBot, prefix: str) -> None:
    bot = new_bot(prefix=prefix)
    assert bot.linking.login_button()["url"] == f"https://bot.example{prefix}/login"

    browser = bot.browser(prefix)
    assert bot.post(batch(linked_event(browser.code())), path=f"{prefix}/webhook").status_code == 200
    assert bot.linking.link_of(PSID) is not None


def test_the_log_in_button_does_not_follow_a_forged_host(bot: Bot) -> None:
    with bot.app.test_request_context(
        base_url="https://evil.example", headers={"X-Forwarded-Host": "evil.example"}
    ):
        assert bot.linking.login_button()["url"] == "https://bot.example/linking/login"


def test_a_test_or_a_command_starts_no_delivery_threads(new_bot: NewBot) -> None:
    app = Flask("tests.host")
    app.testing = True
    bot = new_bot(app, DELIVERY="thread")
    assert not bot.linking.delivery.is_running


def test_a_serving_process_delivers_by_itself(new_bot: NewBot) -> None:
    bot = new_bot(DELIVERY="thread")
    sent = threading.Event()
    bot.graph.names = {}
    bot.linking.store.engine.write(
        lambda tx: tx.run("queue", page_id=PAGE, psid=PSID, kind="unlinked", payload="null", now=bot.clock.ms)
    )
    from bot_linking import message_sent

    def told(app: object, event: object) -> None:
        sent.set()

    with message_sent.connected_to(told, sender=bot.app):
        bot.linking.delivery.wake()
        assert sent.wait(60)
    assert len(bot.graph.sent) == 1


BESIDE = """
import sys
from bot_linking.stores import open_store
store = open_store(sys.argv[1])
for number in range(20):
    store.save_resume("1", f"beside-{number}", {}, 1)
store.close()
"""


def test_two_apps_of_one_process_lose_nothing_while_another_process_comes_and_goes(new_bot: NewBot) -> None:
    """Closing any descriptor of a file gives up all of the process's locks on it, those of SQLite as well."""
    first = new_bot()
    first.linking.store.save_resume("1", "before", {}, 1)
    new_bot()
    database = first.linking.settings.database
    subprocess.run([sys.executable, "-c", BESIDE, database], check=True, timeout=30)
    for number in range(20):
        first.linking.store.save_resume("1", f"after-{number}", {}, 1)
    count = "execute('select count(*) from resumes').fetchone()[0]"
    look = f"import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).{count})"
    seen = subprocess.run(
        [sys.executable, "-c", look, str(first.database)],
        check=True,
        timeout=30,
        capture_output=True,
        text=True,
    )
    assert seen.stdout.strip() == "41"


# The host's own habits


class DictSession(SessionInterface):
    """A session backend other than Flask's own."""

    def open_session(self, app: Flask, request: Any) -> SecureCookieSession:
        return SecureCookieSession()

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        response.headers.add("X-Host-Session", "saved")


class FakeCSRF:
    """Refuses each POST without its token except those of exempt blueprints, as Flask-WTF's CSRFProtect
    does."""

    def __init__(self, app: Flask) -> None:
        self.exempted: set[str] = set()
        app.extensions["csrf"] = self
        app.before_request(self.protect)

    def exempt(self, blueprint: Any) -> None:
        self.exempted.add(blueprint.name)

    def protect(self) -> None:
        if request.method == "POST" and request.blueprint not in self.exempted:
            abort(400, "The CSRF token is missing.")


@pytest.fixture
def host(tmp_path: Path) -> Flask:
    """A host with its own sessions, CSRF protection, error pages and hooks."""
    app = Flask("tests.host", instance_path=str(tmp_path))
    app.session_interface = DictSession()
    FakeCSRF(app)

    @app.before_request
    def meddle() -> None:
        session["seen"] = True
        request.form.get("x")

    @app.after_request
    def stamp(response: Response) -> Response:
        response.headers["X-Host"] = "yes"
        return response

    for status in (400, 403, 404, 413, 429, 500, 503):
        app.register_error_handler(status, lambda error: (f"the host's {error.code}", error.code))

    @app.get("/home")
    def home() -> str:
        return "home"

    @app.post("/host-form")
    def host_form() -> str:
        return "unreachable"

    return app


def test_the_whole_flow_works_in_a_host_with_habits_of_its_own(host: Flask, new_bot: NewBot) -> None:
    bot = new_bot(host)
    bot.link()
    assert bot.linking.link_of(PSID) is not None


def test_the_hosts_error_handlers_do_not_replace_our_answers(host: Flask, new_bot: NewBot) -> None:
    bot = new_bot(host)
    browser = bot.browser()
    assert "the host's" not in browser.get("/linking/login").text
    assert browser.page.status_code == 400
    assert "the host's" not in browser.post("/linking/login", {}).text
    assert bot.post(b"{}", secret="wrong").status_code == 403
    assert "the host's" not in bot.post(b"{}", secret="wrong").text


def test_the_hosts_own_doors_stay_as_they_were(host: Flask, new_bot: NewBot) -> None:
    bot = new_bot(host)
    client = bot.client()
    home = client.get("/home")
    assert (home.text, home.headers["X-Host-Session"]) == ("home", "saved")
    assert "Content-Security-Policy" not in home.headers
    assert client.get("/nowhere").text == "the host's 404"
    assert client.post("/host-form").status_code == 400
    assert host.config.get("MAX_CONTENT_LENGTH") is None
    assert host.config["SESSION_COOKIE_SECURE"] is False


def test_our_requests_leave_the_hosts_session_cookie_alone(bot: Bot) -> None:
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    browser.consent()
    assert browser.client.get_cookie("session", domain="bot.example") is None


def test_a_host_that_limits_bodies_does_not_stop_our_forms(new_bot: NewBot) -> None:
    app = Flask("tests.host")
    app.config["MAX_CONTENT_LENGTH"] = 16 * 1024 * 1024
    app.config["PROPAGATE_EXCEPTIONS"] = True
    assert new_bot(app).browser().code()


# The verbs


def several_pages() -> Config:
    page = {"access_token": "token-of-page", "app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN}
    keys = ("PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID")
    return {**dict.fromkeys(keys), "PAGES": {PAGE: page, "999": page}}


def link_on(bot: Bot, page: str, token: str) -> None:
    bot.graph.page_id = page
    bot.graph.owners[token] = PSID
    body = batch(linked_event(bot.browser().code(token), page=page), page=page)
    assert bot.post(body).status_code == 200


def test_with_several_pages_one_link_is_found_and_two_must_be_told_apart(new_bot: NewBot) -> None:
    bot = new_bot(**several_pages())
    assert bot.linking.link_of(PSID) is None
    link_on(bot, PAGE, "AR1")
    found = bot.linking.link_of(PSID)
    assert found is not None
    assert found.page_id == PAGE
    link_on(bot, "999", "AR2")
    with pytest.raises(PageUnknown):
        bot.linking.link_of(PSID)
    with pytest.raises(PageUnknown):
        bot.linking.unlink(PSID)
    second = bot.linking.link_of(PSID, "999")
    assert second is not None
    assert second.page_id == "999"
    assert [link.page_id for link in bot.linking.links_of("1")] == [PAGE, "999"]
    assert bot.linking.unlink(PSID, "999")
    assert bot.linking.link_of(PSID, PAGE) is not None


def test_a_message_goes_out_with_the_token_of_its_page(new_bot: NewBot) -> None:
    config = several_pages()
    config["PAGES"] = {
        PAGE: {**config["PAGES"][PAGE], "access_token": "token-of-page-one"},
        "999": {**config["PAGES"]["999"], "access_token": "token-of-page-two"},
    }
    bot = new_bot(**config)
    bot.linking.prompt_login(PSID, page_id="999")
    bot.linking.prompt_login(PSID, page_id=PAGE)
    tokens = [call.headers["Authorization"] for call in bot.graph.calls_to("me/messages")]
    assert tokens == ["Bearer token-of-page-two", "Bearer token-of-page-one"]
    with pytest.raises(PageUnknown):
        bot.linking.prompt_login(PSID)


def test_a_page_that_was_not_configured_is_taken_from_the_signed_event(new_bot: NewBot) -> None:
    bot = new_bot(PAGE_ID="")
    link_on(bot, "777", "AR1")
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.page_id == "777"


def test_erasing_leaves_no_trace_of_the_person(bot: Bot) -> None:
    bot.link()
    bot.linking.delivery.drain()
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    bot.linking.prompt_login(PSID, resume={"x": 1})
    assert bot.linking.erase(PSID) > 0
    assert bot.linking.link_of(PSID) is None
    rows = {table: rows for table, rows in bot.rows().items() if not table.startswith("sqlite_")}
    assert PSID not in repr(rows)
    assert "ada@example.com" not in repr(rows)
    on_disk = b"".join(path.read_bytes() for path in bot.database.parent.glob("links.db*"))
    assert PSID.encode() not in on_disk
    assert b"ada@example.com" not in on_disk
    (erased,) = bot.heard.of("PersonErased")
    assert PSID not in repr(erased)


def test_a_redelivery_after_erasing_brings_nothing_back(bot: Bot) -> None:
    event = linked_event(bot.browser().code(), at=bot.clock.ms)
    bot.post(batch(event))
    bot.linking.erase(PSID)
    bot.post(batch(event))
    assert bot.linking.link_of(PSID) is None


def test_unlinking_is_done_here_at_once_and_at_messenger_until_it_works(bot: Bot) -> None:
    bot.link()
    bot.linking.delivery.drain()
    bot.graph.failures["me/unlink_accounts"] = {"code": 2, "is_transient": True}
    assert bot.linking.unlink(PSID)
    assert bot.linking.link_of(PSID) is None
    for _ in range(4):
        bot.linking.delivery.drain()
        bot.clock.advance(700)
    tries = len(bot.graph.calls_to("me/unlink_accounts"))
    assert tries >= 3
    bot.graph.failures.clear()
    bot.linking.delivery.drain()
    bot.clock.advance(700)
    bot.linking.delivery.drain()
    assert len(bot.graph.calls_to("me/unlink_accounts")) == tries + 1
    assert bot.linking.store.outbox_depth()["depth"] == 0


def test_unlinking_at_messenger_is_not_given_up_after_a_day(bot: Bot) -> None:
    bot.link()
    bot.graph.failures["me/unlink_accounts"] = {"code": 2, "is_transient": True}
    bot.linking.unlink(PSID)
    for _ in range(3):
        bot.linking.delivery.drain()
        bot.clock.advance(100_000)
    assert [entry.kind for entry in bot.linking.store.list_dead()] == []
    bot.graph.failures.clear()
    bot.linking.delivery.drain()
    assert "unlink_call" in [event.kind for event in bot.heard.of("MessageSent")]


def test_unlinking_somebody_who_is_not_linked_is_false_and_sends_nothing(bot: Bot) -> None:
    assert bot.linking.unlink(PSID) is False
    bot.linking.delivery.drain()
    assert not bot.graph.calls


def test_a_person_is_told_of_each_change_once_and_in_order(bot: Bot) -> None:
    bot.link()
    bot.linking.delivery.drain()
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    kinds = [message["message"]["attachment"]["payload"]["buttons"][0]["type"] for message in bot.graph.sent]
    assert kinds == ["account_unlink", "account_link"]


def test_pending_logins_of_an_account_end_when_the_host_says_so(bot: Bot) -> None:
    code = bot.browser().code()
    bot.linking.drop_pending("1")
    bot.post(batch(linked_event(code)))
    assert bot.linking.link_of(PSID) is None
    assert bot.heard.reasons() == ["code_unknown"]


def test_an_account_that_may_not_be_linked_any_more_is_refused_when_the_code_comes_back(
    new_bot: NewBot,
) -> None:
    asked: list[str] = []

    def may_link(account_id: str) -> bool:
        asked.append(account_id)
        return False

    bot = new_bot(may_link=may_link)
    bot.post(batch(linked_event(bot.browser().code())))
    assert bot.linking.link_of(PSID) is None
    assert asked == ["1"]
    assert bot.heard.reasons() == ["account_refused"]


def test_the_hosts_own_confirmation_and_farewell_are_sent_instead_of_ours(new_bot: NewBot) -> None:
    bot = new_bot(
        confirmation=lambda link: {"text": f"hello {link.account_id}"},
        farewell=lambda page_id, psid: None,
    )
    bot.link()
    bot.linking.delivery.drain()
    bot.linking.unlink(PSID)
    bot.linking.delivery.drain()
    assert [message["message"] for message in bot.graph.sent] == [{"text": "hello 1"}]


def test_a_link_has_the_fields_that_the_readme_names(bot: Bot) -> None:
    bot.link()
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.as_dict() | {"linked_at": None, "updated_at": None} == {
        "page_id": PAGE, "psid": PSID, "account_id": "1", "username": "ada", "email": "ada@example.com",
        "phone_number": None, "source": "login", "linked_at": None, "updated_at": None,
    }  # fmt: skip
    assert link.linked_at.timestamp() == bot.clock.seconds


def test_settings_may_be_read_from_the_extension(bot: Bot) -> None:
    assert isinstance(bot.linking.settings, Settings)
    assert bot.linking.settings.page_id == PAGE


def test_an_account_whose_id_is_no_text_is_refused_at_once() -> None:
    with pytest.raises(TypeError):
        Account(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Account("1", username=7)  # type: ignore[arg-type]


def test_a_message_of_the_bot_reaches_it_with_the_link_one_look_up_away(bot: Bot, site: Site) -> None:
    answered = []

    @bot.linking.on_message
    def answer(event: Config) -> None:
        link = bot.linking.link_of(event["sender"]["id"])
        answered.append(link.username if link else None)

    bot.post(batch(message_event("hello")))
    bot.link()
    bot.post(batch(message_event("hello")))
    assert answered == [None, "ada"]
