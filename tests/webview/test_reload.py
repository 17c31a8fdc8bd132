"""A person who comes back to a page by its address (from the authenticator app, a restored webview, "open in
browser") finds the same page with the same error, or what happened and the way on."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from bot_linking import SignUpRefused
from tests.bots import Bot, NewBot
from tests.browser import Browser
from tests.people import ADA, Site
from tests.wire import OTHER_TOKEN, PSID, SITE, TOKEN, batch, code_in, linked_event, return_url

AGAIN = 3
WRONG = "Wrong user name or password. Please try again."
MANY = "Too many attempts."
SIGNUP = f"/linking/signup?account_linking_token={TOKEN}&redirect_uri={return_url()}"


def dump(bot: Bot) -> str:
    with closing(sqlite3.connect(bot.database)) as database:
        return "\n".join(database.iterdump())


def without_ticket(page: TestResponse) -> str:
    return re.sub(r'(name="ticket" value=")[^"]*', r"\1", page.text)


def shown_address(browser: Browser) -> str:
    """The address in the browser's bar after a POST: its redirect, or the address that it was sent to."""
    if browser.page.status_code == 303:
        browser.follow()
    return browser.location


def same_again(bot: Bot, browser: Browser, *words: str, field: tuple[str, str] | None = None) -> None:
    """The address shows the same form with the same error on each visit, and changes nothing."""
    address, before = shown_address(browser), dump(bot)
    seen = set()
    for _ in range(AGAIN):
        page = browser.get(address)
        assert page.status_code == 200
        for word in words:
            assert word in page.text
        if field:
            assert f'name="{field[0]}" value="{field[1]}"' in page.text
        seen.add(without_ticket(page))
    assert len(seen) == 1
    assert dump(bot) == before


def at_login(bot: Bot, token: str = TOKEN) -> Browser:
    browser = bot.browser()
    browser.open(token)
    return browser


def test_a_wrong_password(bot: Bot) -> None:
    browser = at_login(bot)
    browser.submit("login", username="ada", password="wrong")
    assert browser.page.status_code == 303
    same_again(bot, browser, WRONG, field=("username", "ada"))
    browser.sign_in()
    assert browser.consent()


def test_an_empty_form(bot: Bot) -> None:
    browser = at_login(bot)
    browser.submit("login", username="ada", password="")
    same_again(bot, browser, "Enter your password.", field=("username", "ada"))


def test_too_many_wrong_passwords(bot: Bot) -> None:
    browser = at_login(bot)
    for _ in range(5):
        browser.submit("login", username="ada", password="wrong")
        browser.follow()
    browser.submit("login", username="ada", password="lovelace-1815")
    assert browser.page.status_code == 429
    same_again(bot, browser, MANY, field=("username", "ada"))
    bot.clock.advance(301)
    browser.sign_in()
    assert browser.consent()


def test_too_many_from_one_address_before_anything_is_kept(new_bot: NewBot) -> None:
    bot = new_bot(ADDRESS_LIMIT=1)
    at_login(bot).submit("login", username="grace", password="wrong")
    browser = at_login(bot)
    assert browser.submit("login", username="ada", password="wrong").status_code == 429
    same_again(bot, browser, MANY, field=("username", "ada"))


def test_more_refusals_from_one_address_than_are_kept_are_still_answered(new_bot: NewBot) -> None:
    """A form that needs no password costs a row of the store, so their number in a minute is limited."""
    bot = new_bot(ADDRESS_LIMIT=1)
    for _ in range(10):
        browser = at_login(bot)
        page = browser.submit("login", username="ada", password="")
        page = browser.follow() if page.status_code == 303 else page
        assert "Enter your password." in page.text
    assert len(bot.rows()["attempts"]) == 6


def test_a_sign_up_that_is_refused(new_bot: NewBot, site: Site) -> None:
    bot = new_bot(create_account=site.create_account)
    browser = bot.browser()
    browser.get(SIGNUP)
    browser.submit("signup", username="ada", email="ada@new.example", password="long-enough")
    assert browser.page.status_code == 303
    same_again(bot, browser, "That user name is taken.", 'value="ada@new.example"', field=("username", "ada"))
    browser.submit("signup", username="hedy", password="long-enough")
    browser.follow()
    assert browser.consent()


def test_a_refusal_of_one_form_is_not_shown_on_another(new_bot: NewBot, site: Site) -> None:
    bot = new_bot(create_account=site.create_account)
    browser = bot.browser()
    browser.get(SIGNUP)
    browser.submit("signup", username="ada", password="long-enough")
    browser.follow()
    page = browser.get(browser.location.replace("/signup/", "/login/"))
    assert page.status_code == 200
    assert 'role="alert"' not in page.text


def test_the_sites_own_sentence_is_kept_as_text(new_bot: NewBot) -> None:
    def refuse(username: str, email: str | None, password: str) -> None:
        raise SignUpRefused("<b>No</b> {brand} \u202e", field="email")

    bot = new_bot(create_account=refuse)
    browser = bot.browser()
    browser.get(SIGNUP)
    browser.submit("signup", username="ada", password="long-enough")
    assert "&lt;b&gt;No&lt;/b&gt; {brand}" in browser.follow().text


# Each attempt for itself


def test_two_tabs_show_each_its_own_name_and_error(bot: Bot) -> None:
    browser = bot.browser()
    first, second = browser.open(), browser.open(OTHER_TOKEN)
    addresses = {}
    for page, name in ((first, "ada"), (second, "grace")):
        browser._page, browser.location = page, "/linking/login"
        browser.submit("login", username=name, password="wrong")
        browser.follow()
        addresses[name] = browser.location
    for name, address in addresses.items():
        assert f'value="{name}"' in browser.get(address).text


def test_going_back_and_mistyping_does_not_undo_the_consent(bot: Bot) -> None:
    browser = at_login(bot)
    early = browser.page
    browser.sign_in()
    consent = browser.location
    browser._page, browser.location = early, "/linking/login"
    browser.submit("login", username="grace", password="wrong")
    same_again(bot, browser, WRONG, field=("username", "grace"))
    assert "ada@example.com" in browser.get(consent).text
    assert browser.consent()


# Each cause has its own page


def text_of(page: TestResponse) -> str:
    return page.text.partition("<main")[2]


def back_to_messenger(page: TestResponse, token: str = TOKEN) -> bool:
    return f'href="{return_url(token)}"' in page.text


def expired(bot: Bot) -> TestResponse:
    browser = at_login(bot)
    browser.sign_in()
    bot.clock.advance(901)
    return browser.submit("consent")


def left(bot: Bot) -> TestResponse:
    browser = at_login(bot)
    browser.sign_in()
    fields = browser.form("consent").fields
    browser.submit("cancel")
    return browser.post("/linking/consent", fields)


def finished(bot: Bot) -> TestResponse:
    browser = at_login(bot)
    browser.sign_in()
    fields = browser.form("consent").fields
    bot.post(batch(linked_event(code_in(browser.consent()))))
    return browser.post("/linking/consent", fields)


def cookies(bot: Bot) -> TestResponse:
    form = (browser := at_login(bot)).form("login")
    assert browser
    return bot.browser().post(
        "/linking/login", form.fields | {"username": "ada", "password": "lovelace-1815"}
    )


def elsewhere(bot: Bot) -> TestResponse:
    form = at_login(bot).form("login")
    return at_login(bot, OTHER_TOKEN).post("/linking/login", form.fields | {"username": "a", "password": "b"})


def token_expired(bot: Bot) -> TestResponse:
    del bot.graph.owners[TOKEN]
    browser = at_login(bot)
    return browser.submit("login", username="ada", password="lovelace-1815")


CAUSES: dict[str, tuple[Callable[[Bot], TestResponse], str]] = {
    "expired": (expired, "This page has expired"),
    "left": (left, "You tapped Cancel"),
    "finished": (finished, "This is already done"),
    "cookies": (cookies, "Please allow cookies"),
    "elsewhere": (elsewhere, "another browser"),
    "token expired": (token_expired, "This page has expired"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_is_named_with_the_way_back(bot: Bot, cause: str) -> None:
    make, title = CAUSES[cause]
    page = make(bot)
    assert page.status_code == 400
    assert title in page.text
    assert back_to_messenger(page)
    others = {other for _, other in CAUSES.values()} - {title}
    assert not [other for other in others if other in text_of(page)]


def test_the_attempts_own_address_says_that_the_link_is_made(bot: Bot) -> None:
    browser = at_login(bot)
    browser.sign_in()
    own = browser.location
    code = code_in(browser.consent())
    assert browser.get(own).status_code == 200
    assert browser.form("consent"), "until Messenger has sent the code back it may be pressed again"
    bot.post(batch(linked_event(code)))
    for _ in range(AGAIN):
        page = browser.get(own)
        assert page.status_code == 200
        assert "This is already done" in page.text
        assert back_to_messenger(page)
        assert 'name="ticket"' not in page.text


def test_the_address_of_the_pressed_button_says_so_too(bot: Bot) -> None:
    """The page "going back" is the answer to the button, so its address is the form's."""
    browser = at_login(bot)
    browser.sign_in()
    code = code_in(browser.consent())
    bot.post(batch(linked_event(code)))
    browser.get("/linking/consent")
    assert "This is already done" in browser.follow().text


def test_another_browser_is_told_no_way_back_that_is_not_its_own(bot: Bot) -> None:
    """The return address holds the first browser's linking token."""
    mine = at_login(bot)
    mine.sign_in()
    for other in (bot.browser(), at_login(bot, OTHER_TOKEN)):
        page = other.get(mine.location)
        assert page.status_code == 400
        assert "another browser" in page.text
        assert TOKEN not in page.text
        assert "ada" not in page.text


@pytest.mark.parametrize("page", ["login", "second-factor", "consent", "signup"])
def test_an_attempt_that_nobody_keeps_has_expired(new_bot: NewBot, site: Site, page: str) -> None:
    bot = new_bot(create_account=site.create_account)
    answer = bot.browser().get(f"/linking/{page}/{'x' * 22}")
    assert answer.status_code == 400
    assert "This page has expired" in answer.text


# Addresses that GET would not know


@pytest.mark.parametrize("form", ["second-factor", "consent", "switch", "cancel"])
def test_the_address_of_a_form_leads_to_where_the_attempt_is(bot: Bot, form: str) -> None:
    browser = at_login(bot)
    browser.sign_in()
    own, before = browser.location, dump(bot)
    browser.get(f"/linking/{form}")
    browser.follow()
    assert browser.location == own
    assert browser.form("consent")
    assert dump(bot) == before


@pytest.mark.parametrize("form", ["second-factor", "consent", "switch", "cancel"])
def test_the_address_of_a_form_without_an_attempt_says_what_to_do(bot: Bot, form: str) -> None:
    page = bot.browser().get(f"/linking/{form}")
    assert page.status_code == 405
    assert "tap Log In" in page.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nowhere", 404), ("POST", "nowhere", 404), ("GET", "login/a/b", 404),
        ("GET", "consent/", 404),
        ("GET", "static/nothing.css", 404), ("PUT", "login", 405), ("DELETE", "consent", 405),
        ("POST", "brand.css", 405), ("POST", f"consent/{'x' * 22}", 405), ("PATCH", "webhook", 405),
    ],
)  # fmt: skip
def test_what_is_not_there_below_our_prefix_is_a_page_of_ours(
    bot: Bot, method: str, path: str, status: int
) -> None:
    page = bot.client().open(f"/linking/{path}", method=method, base_url=SITE)
    assert page.status_code == status
    assert "Acme" in page.text
    assert "tap Log In" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert ("Allow" in page.headers) is (status == 405)


def test_what_is_not_there_elsewhere_is_the_hosts(new_bot: NewBot) -> None:
    app = Flask("tests.host")
    bot = new_bot(app)
    for path in ("/nowhere", "/linkingx", "/"):
        assert "Acme" not in bot.client().get(path).text
    bare = new_bot(Flask("tests.bare"), prefix="/")
    assert "Acme" not in bare.client().get("/nowhere").text


def test_a_site_session_has_the_same_ends(new_bot: NewBot, site: Site) -> None:
    site.signed_in = ADA
    bot = new_bot(authenticate=None, current_account=site.current_account)
    browser = bot.browser()
    browser.open()
    code = code_in(browser.consent())
    browser.get("/linking/consent")
    browser.follow()
    own = browser.location
    assert browser.form("consent")
    bot.post(batch(linked_event(code)))
    assert "This is already done" in browser.get(own).text
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == "1"
