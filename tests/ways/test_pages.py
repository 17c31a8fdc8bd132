"""The pages of the other ways: a web link links by its digits, the menu by Messenger's signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import zlib
from html import unescape
from importlib.resources import files
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot_linking.core.identifiers import Identifiers
from bot_linking.testing import forms_of
from tests.bots import Bot, NewBot
from tests.browser import Browser
from tests.people import ADA, GRACE
from tests.wire import APP_SECRET, OTHER_PSID, PAGE, PSID, SITE, batch, message_event


def path_of(url: str) -> str:
    return url.removeprefix(SITE)


def digits_on(page: TestResponse) -> str:
    (found,) = re.findall(r"\b(\d{3}) ?(\d{3})\b", re.sub(r"<[^>]+>", " ", page.text))
    return "".join(found)


def walk_web(bot: Bot, url: str, username: str = "ada", password: str = "lovelace-1815") -> Browser:
    """Go from the web link to the digits, in a new browser."""
    browser = bot.browser()
    assert browser.get(path_of(url)).status_code == 200
    browser.sign_in(username, password)
    assert browser.submit("consent").status_code == 303
    browser.follow()
    return browser


def say(bot: Bot, text: str, psid: str = PSID) -> None:
    assert bot.post(batch(message_event(text, psid=psid))).status_code == 200


def told_by(ticket: str) -> bytes:
    """What a ticket says to a person who decodes it."""
    said = ticket.rpartition(".")[0]
    plain = base64.urlsafe_b64decode(said.lstrip(".") + "=" * (-len(said.lstrip(".")) % 4))
    return zlib.decompress(plain) if said.startswith(".") else plain


# The web link


def test_a_web_link_ends_in_digits_and_the_chat_that_types_them_is_linked(bot: Bot) -> None:
    browser = walk_web(bot, bot.linking.web_link(PSID, resume={"asked": "orders"}))
    assert bot.linking.link_of(PSID) is None
    digits = digits_on(browser.page)
    assert f"https://m.me/{PAGE}" in browser.page.text
    assert digits_on(browser.get(browser.location)) == digits
    say(bot, digits)
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert (link.account_id, link.source) == ("1", "web")
    assert bot.heard.of("AccountLinked")[0].resume == {"asked": "orders"}
    assert "Linked" in browser.get(browser.location).text
    bot.linking.unlink(PSID)
    assert "This is already done" in browser.get(browser.location).text


def test_the_sign_in_page_names_neither_chat_nor_account_and_nothing_changes_by_looking(bot: Bot) -> None:
    path = path_of(bot.linking.web_link(PSID))
    before = bot.rows()
    for _ in range(5):
        assert bot.client().get(path, base_url=SITE).status_code == 200
        assert bot.client().head(path, base_url=SITE).status_code == 200
    assert bot.rows() == before
    page = bot.client().get(path, base_url=SITE)
    assert PSID not in page.text
    tickets = [form.fields["ticket"] for form in forms_of(page.text)]
    assert tickets
    for ticket in tickets:  # signed, and readable for whoever was sent the address
        assert b'"way":"web"' in told_by(ticket)
        assert PSID.encode() not in told_by(ticket)


@pytest.mark.parametrize(("psid", "page"), [("\ud800", None), ("1\0", None), ("1", "\ud800")])
def test_a_web_link_of_what_is_no_unicode_is_refused(bot: Bot, psid: str, page: str | None) -> None:
    with pytest.raises(ValueError, match="is not Unicode text"):
        bot.linking.web_link(psid, page)


def test_a_forwarded_link_links_nobody_by_its_page(bot: Bot) -> None:
    """A stranger opens it, signs in, and types the digits in their own chat."""
    browser = walk_web(bot, bot.linking.web_link(PSID), "grace", "hopper-1906")
    say(bot, digits_on(browser.page), OTHER_PSID)
    assert bot.linking.link_of(OTHER_PSID) is None
    assert bot.linking.link_of(PSID) is None


@pytest.mark.parametrize("ending", ["used", "late", "unknown", "unlinked"])
def test_an_address_that_is_over_shows_no_sign_in_form(bot: Bot, ending: str) -> None:
    bot.link()
    url = bot.linking.web_link(PSID)
    match ending:
        case "used":
            say(bot, digits_on(walk_web(bot, url).page))
        case "late":
            bot.clock.advance(901)
        case "unknown":
            url = url[:-4] + "AAAA"
        case "unlinked":
            bot.linking.unlink(PSID)
    page = bot.browser().get(path_of(url))
    assert page.status_code == 404
    assert "<form" not in page.text
    assert "does not work any more" in page.text


@pytest.mark.parametrize("proof", ["digits", "consent"])
@pytest.mark.parametrize("ending", ["unlinked", "erased", "undone"])
@pytest.mark.parametrize("signed_in", ["before", "after"])
def test_a_page_that_was_opened_before_its_address_ended_links_nobody(
    new_bot: NewBot, proof: str, ending: str, signed_in: str
) -> None:
    bot = new_bot(WEB_PROOF=proof)
    bot.link()
    bot.linking.core.bind(PSID, Identifiers(username="other"), source="cli")
    browser = bot.browser()
    browser.get(path_of(bot.linking.web_link(PSID)))
    if signed_in == "before":
        browser.sign_in()
    match ending:
        case "unlinked":
            bot.linking.unlink(PSID)
        case "erased":
            bot.linking.erase(PSID)
        case "undone":
            assert bot.linking.undo(PSID)
    before = bot.linking.link_of(PSID)
    if signed_in == "after":
        browser.sign_in("grace", "hopper-1906")
    if any(form.name == "consent" for form in forms_of(browser.page.text)):
        browser.submit("consent")
    assert browser.page.status_code == 400
    assert bot.linking.link_of(PSID) == before


def test_a_page_that_was_opened_in_time_may_be_finished_after_its_address_is_late(bot: Bot) -> None:
    path = path_of(bot.linking.web_link(PSID))
    bot.clock.advance(890)
    browser = bot.browser()
    browser.get(path)
    bot.clock.advance(60)
    bot.linking.store.purge(bot.clock.ms)
    browser.sign_in()
    browser.submit("consent")
    browser.follow()
    say(bot, digits_on(browser.page))
    assert bot.linking.link_of(PSID) is not None


def test_another_browser_sees_no_digits(bot: Bot) -> None:
    browser = walk_web(bot, bot.linking.web_link(PSID))
    digits = digits_on(browser.page)
    page = bot.browser().get(browser.location)
    assert digits[:3] + " " + digits[3:] not in page.text
    assert page.status_code == 400


def test_cancelling_leaves_and_another_account_can_be_taken(bot: Bot) -> None:
    browser = bot.browser()
    browser.get(path_of(bot.linking.web_link(PSID)))
    browser.sign_in()
    assert browser.submit("switch").status_code == 303
    browser.follow()
    browser.sign_in("grace", "hopper-1906")
    assert "grace" in browser.page.text
    assert browser.submit("cancel").status_code == 200
    assert bot.linking.link_of(PSID) is None


def test_with_consent_alone_the_page_links_at_once(new_bot: NewBot) -> None:
    bot = new_bot(WEB_PROOF="consent")
    browser = walk_web(bot, bot.linking.web_link(PSID))
    assert bot.linking.link_of(PSID) is not None
    assert "You can close this page" in browser.page.text


def test_a_person_of_the_sites_own_session_gets_digits_too(new_bot: NewBot, site: Any) -> None:
    bot = new_bot(current_account=site.current_account)
    site.signed_in = ADA
    browser = bot.browser()
    browser.get(path_of(bot.linking.web_link(PSID)))
    assert browser.submit("consent").status_code == 303
    say(bot, digits_on(browser.follow()))
    assert bot.linking.link_of(PSID) is not None


@pytest.mark.parametrize("word", ["ask", "refuse"])
def test_the_consent_page_names_what_would_be_replaced_or_refuses(new_bot: NewBot, word: str) -> None:
    bot = new_bot(on_conflict=word)
    bot.link()
    browser = bot.browser()
    browser.get(path_of(bot.linking.web_link(PSID)))
    page = browser.sign_in("grace", "hopper-1906")
    if word == "refuse":
        assert page.status_code == 409
        assert "Tap Log Out in the chat first" in page.text
        return
    assert "a••@example.com" in page.text
    browser.submit("consent")
    say(bot, digits_on(browser.follow()))
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == GRACE.id


# The menu


def signed_request(now: float, secret: str = APP_SECRET, **payload: Any) -> str:
    given = {
        "psid": PSID, "algorithm": "HMAC-SHA256", "thread_type": "USER_TO_PAGE", "tid": PSID,
        "issued_at": int(now), "page_id": int(PAGE), **payload,
    }  # fmt: skip
    encoded = base64.urlsafe_b64encode(json.dumps(given).encode()).decode().rstrip("=")
    mac = hmac.new(secret.encode(), encoded.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=") + "." + encoded


@pytest.fixture
def menu(new_bot: NewBot) -> Bot:
    return new_bot(APP_ID="42")


def enter(bot: Bot, text: str | None, browser: Browser | None = None) -> Browser:
    browser = browser or bot.browser()
    page = browser.get("/linking/menu")
    ticket = unescape(re.findall(r'name="ticket" value="([^"]+)"', page.text)[0])
    fields = {"ticket": ticket} | ({} if text is None else {"signed_request": text})
    browser.location = "/linking/menu"
    browser.post("/linking/menu", fields)
    return browser


def test_from_the_menu_the_signed_request_proves_the_chat_and_links_at_once(menu: Bot) -> None:
    browser = enter(menu, signed_request(menu.clock()))
    browser.sign_in()
    assert "Ada L." in browser.page.text
    assert browser.submit("consent").status_code == 303
    assert "You can close this page" in browser.follow().text
    link = menu.linking.link_of(PSID)
    assert link is not None
    assert (link.account_id, link.source) == ("1", "menu")


def test_connect_pressed_twice_in_the_menus_webview_shows_twice_that_it_is_linked(menu: Bot) -> None:
    browser = enter(menu, signed_request(menu.clock()))
    browser.sign_in()
    form = browser.form("consent")
    for _ in range(2):
        assert browser.post("/linking/consent", form.fields).status_code == 303
        browser.location = "/linking/consent"
        assert "You can close this page" in browser.follow().text
    assert len(menu.linking.history_of(PSID)) == 1


def test_who_cancels_in_the_menus_webview_is_back_in_the_chat_and_told_of_the_menu(menu: Bot) -> None:
    """The page does not name a Log In button, which this person never had. The address itself says the same
    again."""
    browser = enter(menu, signed_request(menu.clock()))
    browser.sign_in()
    own = browser.location
    left = browser.submit("cancel")
    for page in (left, browser.get(own)):
        assert "open this page from the menu again" in page.text
        assert "tap Log In" not in page.text
        assert re.search(r'<script src="[^"]*menu.js" data-close="1"></script>', page.text)
        assert "https://connect.facebook.net" in page.headers["Content-Security-Policy"]
    assert menu.linking.link_of(PSID) is None


def test_who_cancels_on_the_page_of_a_web_link_may_open_it_again(bot: Bot) -> None:
    address = path_of(bot.linking.web_link(PSID))
    browser = bot.browser()
    browser.get(address)
    browser.sign_in()
    left = browser.submit("cancel")
    assert "Open the page again" in left.text
    assert "tap Log In" not in left.text
    assert "connect.facebook.net" not in left.headers["Content-Security-Policy"]
    assert bot.browser().get(address).status_code == 200


def test_a_page_from_the_menu_that_is_too_old_leads_to_the_menu(menu: Bot) -> None:
    browser = enter(menu, signed_request(menu.clock()))
    menu.clock.advance(1000)
    page = browser.submit("login", username="ada", password="lovelace-1815")
    assert page.status_code == 400
    assert "open this page from the menu again" in page.text


def test_a_new_customer_may_sign_up_from_the_menu_and_go_back_to_the_sign_in(
    new_bot: NewBot, site: Any
) -> None:
    bot = new_bot(APP_ID="42", create_account=site.create_account)
    browser = enter(bot, signed_request(bot.clock()))
    for link, form in (("Create an account", "signup"), ("Log in", "login")):
        address = re.search(rf'<a[^>]*href="([^"]+)"[^>]*>\s*{link}', browser.page.text)
        assert address is not None, link
        browser.get(address[1])
        assert browser.form(form)
    browser.sign_in()
    assert browser.submit("consent").status_code == 303
    assert bot.linking.link_of(PSID) is not None


def test_a_signed_request_links_once(menu: Bot) -> None:
    text = signed_request(menu.clock())
    browser = enter(menu, text)
    browser.sign_in()
    browser.submit("consent")
    menu.linking.unlink(PSID)
    again = enter(menu, text)
    assert again.page.status_code == 400
    assert 'name="password"' not in again.page.text


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "another secret of someone"},
        {"issued_at": 1},
        {"page_id": 999},
        {"page_id": str(PAGE)},
        {"thread_type": "GROUP"},
        {"psid": "x"},
        {"algorithm": "none"},
    ],
)
def test_what_messenger_did_not_sign_so_is_a_page_that_says_what_to_mend(
    menu: Bot, change: dict[str, Any]
) -> None:
    page = enter(menu, signed_request(menu.clock(), **change)).page
    assert page.status_code == 400
    assert "signed_request_" in page.text
    assert 'name="password"' not in page.text
    assert any(reason.startswith("signed_request_") for reason in menu.heard.reasons())


@pytest.mark.parametrize("text", [None, "", "x", "a" * 70_000])
def test_no_signed_request_and_one_too_long_are_refused(menu: Bot, text: str | None) -> None:
    page = enter(menu, text).page
    assert page.status_code == (413 if text and len(text) > 65_536 else 400)


def test_without_our_ticket_nobody_comes_in(menu: Bot) -> None:
    fields = {"signed_request": signed_request(menu.clock())}
    assert menu.client().post("/linking/menu", data=fields, base_url=SITE).status_code == 400


def test_only_the_menus_page_may_load_messengers_script(menu: Bot) -> None:
    sdk = "https://connect.facebook.net"
    page = menu.browser().get("/linking/menu")
    assert sdk in page.headers["Content-Security-Policy"]
    assert sdk in page.text
    other = menu.browser().open()
    assert sdk not in other.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["menu", "linked", "logged_out", "notice"])
def test_our_script_stands_before_messengers_which_asks_for_it_once(name: str) -> None:
    """Messenger's script may be cached and run at once; the webview would stay open."""
    page = (files("bot_linking.webview") / "templates" / "bot_linking" / f"{name}.html").read_text("utf-8")
    scripts = re.findall(r'<script src="\{\{ (?:root \}\}/static/)?(menu\.js|sdk)', page)
    assert scripts == ["menu.js", "sdk"]


def test_without_an_app_id_there_is_no_menu(bot: Bot) -> None:
    assert bot.browser().get("/linking/menu").status_code == 404


# From the site


def test_the_sites_page_shows_address_picture_and_code(new_bot: NewBot, site: Any) -> None:
    bot = new_bot(current_account=site.current_account, PAGE_USERNAME="acme")
    site.signed_in = ADA
    page = bot.browser().get("/linking/connect")
    assert page.status_code == 200
    (url,) = re.findall(r'href="(https://m\.me/[^"]+)"', page.text)
    assert re.fullmatch(r"https://m\.me/acme\?ref=bl\.[A-Za-z0-9_-]{32}", url)
    assert "<svg" in page.text
    (code,) = re.findall(r"LINK [2-9A-Z]{4}-[2-9A-Z]{4}", page.text)
    say(bot, code)
    bot.linking.delivery.drain()
    assert "Connect this chat with" in bot.graph.sent[-1]["message"]["text"]


@pytest.mark.parametrize("knows_sessions", [True, False])
def test_who_is_not_signed_in_signs_in_with_us_and_is_shown_the_address(
    new_bot: NewBot, site: Any, knows_sessions: bool
) -> None:
    """The site's own session comes first, then its login page, then our sign-in, which links no chat."""
    bot = new_bot(**({"current_account": site.current_account} if knows_sessions else {}))
    browser = bot.browser()
    page = browser.get("/linking/connect")
    assert page.status_code == 200
    assert "m.me" not in page.text
    wrong = browser.sign_in("ada", "a wrong one")
    assert "m.me" not in wrong.text
    page = browser.sign_in()
    assert f"https://m.me/{PAGE}?ref=bl." in page.text
    assert "ada" in page.text
    assert f"https://m.me/{PAGE}?ref=bl." in browser.get("/linking/connect").text
    assert bot.rows()["codes"] == []
    assert "m.me" not in bot.browser().get("/linking/connect").text
    bot.clock.advance(901)
    assert "m.me" not in browser.get("/linking/connect").text


def test_without_any_way_to_sign_in_there_is_no_such_page(new_bot: NewBot, site: Any) -> None:
    bot = new_bot(authenticate=None, create_account=site.create_account)
    assert bot.browser().get("/linking/connect").status_code == 404
    bot = new_bot(authenticate=None, current_account=site.current_account)
    assert bot.browser().get("/linking/connect").status_code == 403


def test_our_sign_in_for_the_owners_pages_approves_nothing(bot: Bot) -> None:
    """Its ticket is one of the linking pages, but no consent with it makes a code."""
    browser = bot.browser()
    page = browser.get("/linking/connect")
    ticket = browser.form("login").fields["ticket"]
    browser.sign_in()
    for form in ("consent", "cancel", "switch"):
        assert browser.post(f"/linking/{form}", {"ticket": ticket}).status_code < 500
    newest = bot.rows()["attempts"]
    assert bot.rows()["codes"] == []
    assert page.status_code == 200
    assert newest


def test_a_new_customer_may_sign_up_on_the_way_to_the_address(new_bot: NewBot, site: Any) -> None:
    bot = new_bot(create_account=site.create_account)
    browser = bot.browser()
    page = browser.get("/linking/connect")
    (href,) = re.findall(r'href="([^"]*)">Create an account</a>', page.text)
    browser.get(unescape(href))
    browser.submit("signup", username="newcomer", email="", password="a-long-enough-password")
    assert "m.me" in browser.follow().text


def test_a_second_factor_is_asked_for_on_the_way_to_the_address(bot: Bot) -> None:
    codes = {None: False, "123456": True, "654321": False}
    bot.linking._here().webview.attempts.second_factor = lambda account, code: codes[code]
    browser = bot.browser()
    browser.get("/linking/connect")
    page = browser.sign_in()
    assert "m.me" not in page.text
    browser.submit("second-factor", code="654321")
    assert "m.me" not in browser.follow().text
    assert "m.me" not in browser.get("/linking/connect").text
    browser.get("/linking/connect")
    browser.sign_in()
    browser.submit("second-factor", code="123456")
    assert "m.me" in browser.follow().text


@pytest.mark.parametrize("page", ["connect", "connections"])
def test_who_signed_in_with_us_before_a_second_factor_was_switched_on_signs_in_again(
    bot: Bot, page: str
) -> None:
    browser = bot.browser()
    browser.get(f"/linking/{page}")
    assert 'type="password"' not in browser.sign_in().text
    bot.linking._here().webview.attempts.second_factor = lambda account, code: code == "123456"
    browser.get(f"/linking/{page}")
    assert browser.form("login")
    browser.sign_in()
    browser.submit("second-factor", code="123456")
    browser.follow()
    assert browser.get(f"/linking/{page}").status_code == 200
    assert 'type="password"' not in browser.page.text


def test_with_several_pages_the_person_chooses(new_bot: NewBot, site: Any) -> None:
    pages = {
        page: {
            "access_token": f"EAAG-page-token-{page}",
            "app_secret": f"secret-of-{page}-0123",
            "verify_token": "v" * 20,
        }
        | more
        for page, more in ((PAGE, {"username": "acme"}), ("777", {}))
    }
    alone = dict.fromkeys(("PAGE_ACCESS_TOKEN", "APP_SECRET", "VERIFY_TOKEN", "PAGE_ID"))
    bot = new_bot(PAGES=pages, **alone, current_account=site.current_account)
    site.signed_in = ADA
    page = bot.browser().get("/linking/connect")
    assert page.status_code == 200
    assert "m.me" not in page.text
    assert bot.rows()["chat_links"] == []
    links = re.findall(r'href="(/linking/connect\?page_id=[^"]+)">([^<]+)<', page.text)
    assert [name for _, name in links] == ["acme", "777"]
    assert "https://m.me/acme?ref=bl." in bot.browser().get(links[0][0]).text
    assert "https://m.me/777?ref=bl." in bot.browser().get(links[1][0]).text
    assert bot.browser().get("/linking/connect?page_id=778").status_code == 404


# Who opened the Log In button's address outside of Messenger


def test_an_ordinary_visit_is_led_to_the_chat(new_bot: NewBot) -> None:
    bot = new_bot(PAGE_USERNAME="acme")
    page = bot.browser().get("/linking/login")
    assert page.status_code == 400
    assert 'href="https://m.me/acme"' in page.text
    assert 'class="qr"' in page.text


# The menu of a chat that is linked


def test_who_is_linked_sees_with_whom_and_may_log_out(menu: Bot) -> None:
    menu.link()
    menu.clock.advance(1)
    browser = enter(menu, signed_request(menu.clock()))
    assert browser.page.status_code == 200
    assert "This chat uses the account ada@example.com" in browser.page.text
    page = browser.submit("log-out")
    assert page.status_code == 200
    assert "You are logged out" in page.text
    assert menu.linking.link_of(PSID) is None
    assert menu.linking.history_of(PSID)[-1].source == "menu"


def test_logging_out_takes_the_ticket_and_what_messenger_signed(menu: Bot) -> None:
    menu.link()
    menu.clock.advance(1)
    good = signed_request(menu.clock())
    browser = enter(menu, good)
    fields = browser.form("log-out").fields
    for bad in ({**fields, "ticket": "x"}, {**fields, "signed_request": signed_request(1)}, {}):
        assert browser.post("/linking/menu/log-out", bad).status_code == 400
    stranger = menu.browser()
    assert stranger.post("/linking/menu/log-out", fields).status_code == 400
    assert menu.linking.link_of(PSID) is not None


def test_another_account_may_be_taken_from_the_menu_of_a_linked_chat(menu: Bot) -> None:
    menu.link()
    menu.clock.advance(1)
    browser = enter(menu, signed_request(menu.clock()))
    browser.sign_in("grace", "hopper-1906")
    browser.submit("consent")
    link = menu.linking.link_of(PSID)
    assert link is not None
    assert (link.account_id, link.source) == (GRACE.id, "menu")
