"""Every page: its headers, its language, its templates."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from jinja2 import DictLoader
from werkzeug.test import TestResponse

from bot_linking import AccountLinking
from bot_linking.simulator import Simulator
from bot_linking.testing import BotServer, LinkingWalk
from bot_linking.translations import translate
from tests.bots import Bot, NewBot
from tests.people import Site
from tests.wire import TOKEN, return_url


def every_page(bot: Bot) -> dict[str, TestResponse]:
    """One page of each kind, errors included."""
    browser = bot.browser()
    pages = {"login": browser.open()}
    pages["to wrong"] = browser.submit("login", username="ada", password="wrong")
    pages["wrong"] = browser.follow()
    pages["to consent"] = browser.submit("login", username="ada", password="lovelace-1815")
    pages["consent"] = browser.follow()
    pages["done"] = browser.submit("consent")
    pages["signup"] = browser.get(
        f"/linking/signup?account_linking_token={TOKEN}&redirect_uri={return_url()}"
    )
    pages["to signup refused"] = browser.submit("signup", username="ada", password="long-enough")
    pages["signup refused"] = browser.follow()
    pages["cancel"] = browser.submit("cancel")
    pages["phone"] = browser.get("/linking/login")
    pages["broken"] = browser.get("/linking/login?account_linking_token=x&redirect_uri=y")
    pages["expired"] = browser.get("/linking/consent/nobody")
    pages["cross-site"] = browser.post("/linking/consent", {}, **{"Sec-Fetch-Site": "cross-site"})
    pages["too large"] = browser.post("/linking/login", {"x": "y" * 70_000})
    return pages


@pytest.fixture
def shop(new_bot: NewBot, site: Site) -> Bot:
    return new_bot(create_account=site.create_account)


def policy_of(page: TestResponse) -> dict[str, list[str]]:
    rules = (rule.split() for rule in page.headers["Content-Security-Policy"].split(";"))
    return {rule[0]: rule[1:] for rule in rules}


def test_every_page_keeps_itself_to_itself(shop: Bot) -> None:
    pages = every_page(shop)
    assert len({page.status_code for page in pages.values()}) >= 5
    for name, page in pages.items():
        headers = page.headers
        assert headers["Cache-Control"] == "no-store", name
        assert headers["Referrer-Policy"] == "no-referrer", name
        assert headers["X-Content-Type-Options"] == "nosniff", name
        assert headers["X-Frame-Options"] == "DENY", name
        assert headers["X-Robots-Tag"] == "noindex", name
        assert {"Cookie", "Accept-Language"} <= set(headers["Vary"].split(", ")), name
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", name


def test_every_page_has_a_policy_without_frames_or_third_parties(shop: Bot) -> None:
    for name, page in every_page(shop).items():
        policy = policy_of(page)
        assert policy["default-src"] == ["'none'"], name
        assert policy["style-src"] == policy["img-src"] == ["'self'"], name
        assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"], name
        assert policy["script-src"] == ["'self'"], name
        assert "unsafe" not in page.headers["Content-Security-Policy"], name


def test_the_policy_lets_the_forms_lead_back_to_messenger(shop: Bot) -> None:
    """Browsers check form-action against the redirect after a form, too."""
    targets = policy_of(every_page(shop)["consent"])["form-action"]
    assert targets == [
        "'self'", "https://facebook.com", "https://messenger.com", "https://www.facebook.com",
        "https://www.messenger.com",
    ]  # fmt: skip


def test_no_page_has_an_inline_script_or_style_or_a_third_partys_resource(shop: Bot) -> None:
    for name, page in every_page(shop).items():
        assert not re.search(r"<script[^>]*>[^<]", page.text), name
        assert " style=" not in page.text, name
        assert not re.search(r"\son\w+=", page.text), name
        for source in re.findall(r'(?:src|<link[^>]*href)="([^"]*)"', page.text):
            assert source.startswith("/linking/"), name


def test_only_the_simulator_on_this_machine_may_frame_the_pages(new_bot: NewBot) -> None:
    bot = new_bot(
        RETURN_HOSTS=["http://127.0.0.1:5001", "m.facebook.com"], PUBLIC_URL="http://127.0.0.1:5000"
    )
    page = bot.browser().open()
    assert policy_of(page)["frame-ancestors"] == ["http://127.0.0.1:5001"]
    assert "X-Frame-Options" not in page.headers
    assert "https://m.facebook.com" in policy_of(page)["form-action"]


def test_another_host_does_not_get_to_frame_them_by_being_a_return_host(new_bot: NewBot) -> None:
    page = new_bot(RETURN_HOSTS="m.facebook.com").browser().open()
    assert policy_of(page)["frame-ancestors"] == ["'none'"]
    assert page.headers["X-Frame-Options"] == "DENY"


def test_a_logo_from_elsewhere_is_the_only_picture_from_elsewhere(new_bot: NewBot) -> None:
    page = new_bot(BRAND_LOGO="https://cdn.example/logo.png").browser().open()
    assert policy_of(page)["img-src"] == ["'self'", "https://cdn.example"]
    assert 'src="https://cdn.example/logo.png"' in page.text


def test_the_styles_are_served_and_may_be_kept(bot: Bot) -> None:
    browser = bot.browser()
    brand = browser.get("/linking/brand.css")
    assert brand.content_type.startswith("text/css")
    assert "max-age" in brand.headers["Cache-Control"]
    with browser.get("/linking/static/bot_linking.css") as css:
        assert css.status_code == 200


@pytest.mark.parametrize(
    ("color", "ink"),
    [("#000000", "#ffffff"), ("#ffffff", "#000000"), ("#FFFF00", "#000000"), ("#1b5e52", "#ffffff")],
)
def test_the_text_on_the_brands_colour_can_be_read(new_bot: NewBot, color: str, ink: str) -> None:
    css = new_bot(BRAND_COLOR=color).browser().get("/linking/brand.css").text
    assert f"--brand:{color}" in css
    assert f"--on-brand:{ink}" in css


# Languages

CHINESE = ["zh-CN", "zh-Hans-CN,zh;q=0.9,en;q=0.8", "zh", "eo,zh-CN;q=0.9,en;q=0.1"]
ENGLISH = ["en", "en-GB", "eo,tlh;q=0.5", "", "*", "x" * 500, "../../etc"]


@pytest.mark.parametrize("language", CHINESE)
def test_the_pages_speak_chinese_to_those_who_ask_for_it(bot: Bot, language: str) -> None:
    heading = translate("zh_CN", "Log in")
    if heading == "Log in":
        pytest.skip("the catalogue is not there")
    browser = bot.browser()
    browser.headers = {"Accept-Language": language}
    page = browser.open()
    assert '<html lang="zh-CN" dir="ltr">' in page.text
    assert heading in page.text
    browser.submit("login", username="ada", password="wrong")
    browser.follow()
    assert translate("zh_CN", "Wrong user name or password. Please try again.") in browser.page.text


@pytest.mark.parametrize("language", ENGLISH)
def test_the_pages_speak_english_to_everybody_else(bot: Bot, language: str) -> None:
    browser = bot.browser()
    browser.headers = {"Accept-Language": language}
    assert '<html lang="en" dir="ltr">' in browser.open().text


def test_the_configured_language_is_for_those_who_ask_for_none_of_ours(new_bot: NewBot) -> None:
    bot = new_bot(LOCALE="zh_CN")
    assert '<html lang="zh-CN" dir="ltr">' in bot.browser().open().text
    browser = bot.browser()
    browser.headers = {"Accept-Language": "en-GB"}
    assert '<html lang="en" dir="ltr">' in browser.open().text


# The host's own templates


def host_with(templates: dict[str, str]) -> Flask:
    app = Flask("tests.host")
    app.jinja_loader = DictLoader(templates)
    return app


def test_a_host_replaces_a_page_by_its_name(new_bot: NewBot) -> None:
    app = host_with({"bot_linking/login.html": "our own page, {{ brand_name }}"})
    assert new_bot(app).browser().open().text == "our own page, Acme"


def test_a_host_replaces_one_block_and_keeps_the_rest(new_bot: NewBot) -> None:
    custom = '{% extends "bot_linking/login.html" %}{% block heading %}Welcome back{% endblock %}'
    app = host_with({"bot_linking/custom/login.html": custom})
    browser = new_bot(app).browser()
    assert "<h1>Welcome back</h1>" in browser.open().text
    assert browser.sign_in().status_code == 200
    assert browser.consent()


def test_a_host_changes_the_frame_of_all_pages_at_once(new_bot: NewBot) -> None:
    custom = '{% extends "bot_linking/base.html" %}{% block footer %}<footer>Acme Ltd</footer>{% endblock %}'
    app = host_with({"bot_linking/custom/base.html": custom})
    browser = new_bot(app).browser()
    assert "<footer>Acme Ltd</footer>" in browser.open().text
    assert "<footer>Acme Ltd</footer>" in browser.sign_in().text
    assert "<footer>Acme Ltd</footer>" in browser.get("/linking/login").text


def test_a_hosts_own_base_html_is_not_ours(new_bot: NewBot) -> None:
    app = host_with({"base.html": "the host's", "login.html": "the host's", "done.html": "the host's"})
    assert "the host's" not in new_bot(app).browser().open().text


def test_a_hosts_context_processors_and_globals_do_not_get_in_the_way(new_bot: NewBot) -> None:
    app = Flask("tests.host")

    @app.context_processor
    def own() -> dict[str, Any]:
        return {"_": lambda text: "HIJACKED", "base": "x", "ticket": "x", "brand_name": "HIJACKED"}

    browser = new_bot(app).browser()
    assert "HIJACKED" not in browser.open().text
    assert browser.sign_in().status_code == 200


# Over real HTTP


def test_the_whole_way_over_http_with_a_simulated_messenger(
    messenger: Simulator,
    bot_server: BotServer,
    linking_walk: LinkingWalk,
    settings: dict[str, Any],
    site: Site,
) -> None:
    """As a bot's developer would test it, with the plugin's fixtures."""
    app = Flask("tests.host")
    app.config.update(settings, **messenger.settings_for_bot())
    app.config["BOT_LINKING_PUBLIC_URL"] = bot_server.url
    linking = AccountLinking(app, authenticate=site.authenticate, create_account=site.create_account)
    bot_server.serve(app)
    messenger.webhook_url = f"{bot_server.url}/linking/webhook"
    ada, grace = (person.psid for person in messenger.people)

    linking.prompt_login(ada, "Please log in.", resume="orders")
    linking_walk.link(ada, "ada", "lovelace-1815")
    link = linking.link_of(ada)
    assert link is not None
    assert link.account_id == "1"
    linking.delivery.drain()
    assert linking_walk.hears(ada, "You are now connected to Acme as ada.")

    linking.prompt_login(grace)
    linking_walk.open(grace)
    linking_walk.cancel()
    assert not messenger.is_linked(grace)
    linking_walk.open(grace)
    linking_walk.sign_up("grace2", "long-enough")
    linking_walk.use_another_account()
    linking_walk.sign_in("grace", "wrong")
    assert "Wrong user name" in linking_walk.page.text
    linking_walk.sign_in("grace", "hopper-1906")
    linking_walk.consent()
    linking_walk.go_back()
    assert messenger.wait_until(lambda: linking.link_of(grace) is not None)

    messenger.tap(grace, linking.logout_button())
    assert messenger.wait_until(lambda: linking.link_of(grace) is None)
    linking.store.close()


def test_the_walk_says_what_is_missing(
    messenger: Simulator, linking_walk: LinkingWalk, bot_server: BotServer, bot: Bot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with pytest.raises(LookupError, match="no page"):
        _ = linking_walk.page
    linking_walk.visit(bot_server.url)
    assert linking_walk.page.status_code == 503
    with pytest.raises(LookupError, match="no consent form"):
        linking_walk.consent()
    bot_server.serve(bot.app)
    assert linking_walk.visit(f"{bot_server.url}/linking/login").status_code == 400
    monkeypatch.setattr(messenger, "wait_until", lambda predicate, timeout=0: bool(predicate()))
    with pytest.raises(LookupError, match="no Log In button"):
        linking_walk.login_button(messenger.people[0].psid)
