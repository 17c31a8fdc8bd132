"""Signing in: a try is counted before it is checked, all wrong tries get the same answer, and GET changes
nothing."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from bot_linking import Account
from bot_linking.webview.admission import Admission
from tests.bots import Bot, NewBot
from tests.browser import Browser
from tests.people import ADA, Site
from tests.wire import PSID, SITE, TOKEN, batch, code_in, linked_event, return_url

ENTRY = urlencode({"account_linking_token": TOKEN, "redirect_uri": return_url()})
READ_ONLY = [
    f"login?{ENTRY}", f"signup?{ENTRY}", "login", "signup", "consent/anything", f"login?{ENTRY}&switch=1",
    f"login?{ENTRY}&returned=1", "brand.css", f"login?{ENTRY}&authorization_code=x",
]  # fmt: skip


def dump(bot: Bot) -> str:
    with closing(sqlite3.connect(bot.database)) as database:
        return "\n".join(database.iterdump())


WRONG, LIMITED, BUSY, IN = "wrong", "limited", "busy", "signed in"


def wrong(browser: Browser, username: str = "ada", password: str = "wrong-password") -> TestResponse:
    """The page that a wrong password leads to, or the answer without a redirect."""
    browser.open()
    page = browser.submit("login", username=username, password=password)
    return browser.follow() if page.status_code == 303 else page


def outcome(page: TestResponse) -> str:
    """What a page says about a try to sign in."""
    if page.status_code == 200:
        return WRONG if "Wrong user name or password" in page.text else IN
    assert page.headers["Retry-After"]
    return {429: LIMITED, 503: BUSY}[page.status_code]


def guess(browser: Browser, username: str = "ada", password: str = "wrong-password") -> str:
    return outcome(wrong(browser, username, password))


# Nothing on GET


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", READ_ONLY)
def test_looking_changes_nothing_and_asks_messenger_nothing(
    new_bot: NewBot, site: Site, method: str, path: str
) -> None:
    bot = new_bot(create_account=site.create_account)
    before = dump(bot)
    answer = bot.client().open(f"/linking/{path}", method=method, base_url=SITE)
    assert answer.status_code in (200, 400)
    assert dump(bot) == before
    assert not bot.graph.calls
    assert not site.asked


def test_looking_at_the_consent_page_of_a_login_under_way_changes_nothing(bot: Bot) -> None:
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    consent, before, calls = browser.location, dump(bot), len(bot.graph.calls)
    for _ in range(3):
        assert browser.get(consent).status_code == 200
    assert dump(bot) == before
    assert len(bot.graph.calls) == calls


@pytest.mark.parametrize("path", ["login", "consent", "switch", "cancel", "signup"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_not_there(bot: Bot, path: str, method: str) -> None:
    assert bot.client().open(f"/linking/{path}", method=method, base_url=SITE).status_code == 405


@pytest.mark.parametrize("path", ["consent", "switch", "cancel"])
def test_what_acts_cannot_be_reached_by_get(bot: Bot, path: str) -> None:
    assert bot.client().get(f"/linking/{path}?{ENTRY}&ticket=x", base_url=SITE).status_code in (404, 405)


# What Messenger opens


@pytest.mark.parametrize(
    "query",
    [
        "",
        f"account_linking_token={TOKEN}",
        f"redirect_uri={return_url()}",
        "account_linking_token=&redirect_uri=",
        "authorization_code=x",
        "other=1",
    ],
)
def test_an_ordinary_visit_is_told_to_use_the_phone(bot: Bot, query: str) -> None:
    page = bot.browser().get(f"/linking/login?{query}")
    assert page.status_code == 400
    assert "Messenger app on your phone" in page.text


@pytest.mark.parametrize("more", ["", "&rid=123", "&utm_source=a&utm_medium=b"])
def test_parameters_may_come_in_any_order_among_others(bot: Bot, more: str) -> None:
    reverse = urlencode({"redirect_uri": return_url(), "account_linking_token": TOKEN})
    assert bot.browser().get(f"/linking/login?x=1&{reverse}{more}").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        f"{ENTRY}&account_linking_token={TOKEN}",
        f"{ENTRY}&redirect_uri=x",
        f"{ENTRY}&account_linking_token=OTHER",
        urlencode({"account_linking_token": "x" * 2049, "redirect_uri": return_url("x")}),
        urlencode(
            {
                "account_linking_token": "a\nb",
                "redirect_uri": "https://facebook.com/messenger_platform/account_linking/",
            }
        ),
        urlencode(
            {
                "account_linking_token": "é",
                "redirect_uri": "https://facebook.com/messenger_platform/account_linking/",
            }
        ),
    ],
)
def test_a_doubtful_way_in_is_refused_and_told(bot: Bot, query: str) -> None:
    page = bot.browser().get(f"/linking/login?{query}")
    assert page.status_code == 400
    assert "This address does not work" in page.text
    assert bot.heard.reasons() == ["return_url_refused"]


# Wrong


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(bot: Bot, site: Site) -> None:
    known, unknown = wrong(bot.browser(), "ada"), wrong(bot.browser(), "nobody")
    assert outcome(known) == outcome(unknown) == WRONG

    def without_ticket(page: TestResponse) -> str:
        return re.sub(r'(name="ticket" value=")[^"]*', r"\1", page.text).replace("nobody", "ada")

    assert without_ticket(known) == without_ticket(unknown)
    ours = {"Set-Cookie", "Content-Length"}
    assert {k: v for k, v in known.headers.items() if k not in ours} == {
        k: v for k, v in unknown.headers.items() if k not in ours
    }
    assert site.asked == ["ada", "nobody"]  # the site is asked for both, so both take their time


def test_a_wrong_password_keeps_the_name_and_not_the_password(bot: Bot) -> None:
    page = wrong(bot.browser(), "ada", "wrong-password")
    assert 'value="ada"' in page.text
    assert "wrong-password" not in page.text
    assert 'role="alert"' in page.text


@pytest.mark.parametrize(("username", "password"), [("", "x"), ("ada", ""), ("  ", "x"), ("", "")])
def test_an_empty_field_is_said_without_asking_the_site(
    bot: Bot, site: Site, username: str, password: str
) -> None:
    page = wrong(bot.browser(), username, password)
    missing = "password" if username.strip() else "user name"
    assert f"Enter your {missing}." in page.text
    assert f'value="{username.strip()}"' in page.text
    assert not site.asked


@pytest.mark.parametrize(
    ("username", "password"), [("a" * 255, "x"), ("ada", "x" * 1025), ("a\0da", "x"), ("ada", "x\0y")],
    ids=["long name", "long password", "zero in name", "zero in password"],
)  # fmt: skip
def test_a_field_beyond_reason_is_refused_without_asking_the_site(
    bot: Bot, site: Site, username: str, password: str
) -> None:
    assert wrong(bot.browser(), username, password).status_code == 400
    assert not site.asked


def test_a_password_keeps_its_spaces_and_a_name_loses_them(new_bot: NewBot) -> None:
    asked = []

    def authenticate(username: str, password: str) -> Account | None:
        asked.append((username, password))
        return None

    wrong(new_bot(authenticate=authenticate).browser(), "  ada ", "  secret ")
    assert asked == [("ada", "  secret ")]


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
def test_a_large_form_is_refused(bot: Bot, site: Site, chunked: bool) -> None:
    browser = bot.browser()
    browser.open()
    form = browser.form("login")
    body = urlencode({**form.fields, "username": "ada", "password": "x" * 70_000}).encode()
    if chunked:
        page = browser.client.post(
            form.action, base_url=SITE, content_type="application/x-www-form-urlencoded",
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input": BytesIO(body), "wsgi.input_terminated": True},
        )  # fmt: skip
    else:
        page = browser.client.post(
            form.action, base_url=SITE, data=body, content_type="application/x-www-form-urlencoded"
        )
    assert page.status_code == 413
    assert page.headers["Cache-Control"] == "no-store"
    assert not site.asked


def test_a_site_that_fails_is_the_hosts_to_handle_and_holds_no_place(new_bot: NewBot) -> None:
    def broken(username: str, password: str) -> Account | None:
        raise RuntimeError("the site is broken")

    bot = new_bot(authenticate=broken, SIGN_IN_CONCURRENCY=1)
    assert wrong(bot.browser()).status_code == 500
    assert wrong(bot.browser()).status_code == 500  # and not 503: the place is free again


# Limits


def test_the_sixth_try_for_one_name_waits_even_with_the_right_password(bot: Bot, site: Site) -> None:
    for _ in range(5):
        assert guess(bot.browser()) == WRONG
    browser = bot.browser()
    browser.open()
    page = browser.submit("login", username="ada", password="lovelace-1815")
    assert page.status_code == 429
    assert page.headers["Retry-After"] == "300"
    assert len(site.asked) == 5
    assert bot.heard.reasons() == ["too_many_attempts"]


def test_an_unknown_name_is_limited_like_a_known_one(bot: Bot) -> None:
    answers = [guess(bot.browser(), "nobody") for _ in range(6)]
    assert answers == [WRONG] * 5 + [LIMITED]


@pytest.mark.parametrize(
    "spelling",
    ["ADA", " ada ", "Ada", "ａｄａ", "ＡＤＡ", "ađa", "a\u200bda", "ad\u00ada", "a\u2060d\ufe0fa\u3164"],
)
def test_another_spelling_of_a_name_is_the_same_name(bot: Bot, spelling: str) -> None:
    for _ in range(5):
        wrong(bot.browser(), spelling)
    assert guess(bot.browser()) == LIMITED


def test_another_name_is_not_held_up(bot: Bot) -> None:
    for _ in range(6):
        wrong(bot.browser())
    browser = bot.browser()
    browser.open()
    assert browser.submit("login", username="grace", password="hopper-1906").status_code == 303


def from_address(bot: Bot, address: str) -> Browser:
    browser = bot.browser()
    browser.environ = {"REMOTE_ADDR": address}
    return browser


def test_a_stranger_who_guesses_without_end_locks_nobody_else_out(bot: Bot) -> None:
    for _ in range(13):  # an hour of five tries in five minutes each
        guesses = [guess(from_address(bot, "203.0.113.9")) for _ in range(6)]
        assert guesses == [WRONG] * 5 + [LIMITED]
        bot.clock.advance(301)
    assert guess(from_address(bot, "198.51.100.1"), password="lovelace-1815") == IN


def test_many_addresses_together_have_a_hundred_tries_at_a_name_in_an_hour(bot: Bot, site: Site) -> None:
    admission = Admission(bot.linking.core, bot.linking.settings)  # the same counters
    for number in range(99):
        admission.sign_ins.count("ada", f"192.0.2.{number}")
    assert guess(from_address(bot, "203.0.113.1"), " ADA") == WRONG
    assert guess(from_address(bot, "203.0.113.2"), password="lovelace-1815") == LIMITED
    assert guess(from_address(bot, "203.0.113.2"), "grace", "hopper-1906") == IN
    bot.clock.advance(3601)
    assert guess(from_address(bot, "203.0.113.2"), password="lovelace-1815") == IN


def test_after_five_minutes_the_name_may_try_again(bot: Bot) -> None:
    for _ in range(6):
        wrong(bot.browser())
    bot.clock.advance(301)
    assert guess(bot.browser()) == WRONG


def test_a_success_starts_the_names_count_again(bot: Bot) -> None:
    for _ in range(4):
        wrong(bot.browser())
    assert bot.browser().code()
    assert [guess(bot.browser()) for _ in range(5)] == [WRONG] * 5


def test_successes_do_not_use_up_the_addresses_limit(new_bot: NewBot) -> None:
    bot = new_bot(ADDRESS_LIMIT=2)
    for _ in range(5):
        assert bot.browser().code()


def test_the_eleventh_try_from_one_address_waits_whatever_the_name(bot: Bot) -> None:
    answers = [guess(bot.browser(), f"name-{number}") for number in range(11)]
    assert answers == [WRONG] * 10 + [LIMITED]
    bot.clock.advance(61)
    assert guess(bot.browser(), "another") == WRONG


def test_the_limits_are_configurable(new_bot: NewBot) -> None:
    bot = new_bot(SIGN_IN_LIMIT=2)
    assert [guess(bot.browser()) for _ in range(3)] == [WRONG, WRONG, LIMITED]


def test_the_limits_survive_a_restart(new_bot: NewBot) -> None:
    first = new_bot()
    for _ in range(5):
        wrong(first.browser())
    assert guess(new_bot().browser()) == LIMITED


def test_the_limits_keep_neither_name_nor_address(bot: Bot) -> None:
    wrong(bot.browser(), "somebody-special")
    stored = repr(bot.rows()["limits"])
    assert "sign-in" in stored
    assert "somebody-special" not in stored
    assert "127.0.0.1" not in stored


def test_a_form_that_was_refused_keeps_the_name_until_the_attempt_is_forgotten(bot: Bot) -> None:
    wrong(bot.browser(), "somebody-special")
    assert "somebody-special" in repr(bot.rows()["attempts"])
    bot.clock.advance(900 + 3600 + 1)
    bot.linking.store.purge(bot.clock.ms)
    assert "somebody-special" not in dump(bot)


def tries_from(bot: Bot, addresses: Sequence[tuple[str, str | None]]) -> list[str]:
    """What each try is told, from each (remote address, X-Forwarded-For)."""
    answers = []
    for number, (remote, forwarded) in enumerate(addresses):
        browser = bot.browser()
        browser.environ = {"REMOTE_ADDR": remote}
        browser.headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
        answers.append(guess(browser, f"name-{number}"))
    return answers


def test_a_forged_x_forwarded_for_does_not_make_a_new_address(new_bot: NewBot) -> None:
    bot = new_bot(ADDRESS_LIMIT=2)
    assert tries_from(bot, [("192.0.2.1", f"198.51.100.{n}") for n in range(3)]) == [WRONG, WRONG, LIMITED]


def test_behind_a_proxy_the_address_that_it_saw_counts(new_bot: NewBot) -> None:
    bot = new_bot(ADDRESS_LIMIT=2, TRUSTED_PROXIES=1)
    proxy = "192.0.2.1"
    assert tries_from(bot, [(proxy, f"198.51.100.{n}") for n in range(4)]) == [WRONG] * 4
    forged = [(proxy, f"203.0.113.{n}, 198.51.100.77") for n in range(3)]
    assert tries_from(bot, forged) == [WRONG, WRONG, LIMITED]


def test_behind_two_proxies_the_second_last_hop_counts(new_bot: NewBot) -> None:
    bot = new_bot(ADDRESS_LIMIT=1, TRUSTED_PROXIES=2)
    hops = [
        ("192.0.2.1", "203.0.113.9, 198.51.100.1, 192.0.2.2"),
        ("192.0.2.1", "x, 198.51.100.1, 192.0.2.2"),
    ]
    assert tries_from(bot, hops) == [WRONG, LIMITED]


def test_addresses_of_one_ipv6_network_are_one(new_bot: NewBot) -> None:
    bot = new_bot(ADDRESS_LIMIT=2)
    same = [(f"2001:db8:1:2::{n:x}", None) for n in range(1, 4)]
    assert tries_from(bot, same) == [WRONG, WRONG, LIMITED]
    assert tries_from(bot, [("2001:db8:1:3::1", None)]) == [WRONG]


def test_ipv4_addresses_are_told_apart_on_a_dual_stack_socket(new_bot: NewBot) -> None:
    bot = new_bot(ADDRESS_LIMIT=2)
    assert tries_from(bot, [(f"::ffff:192.0.2.{n}", None) for n in range(1, 5)]) == [WRONG] * 4


def test_who_comes_past_the_proxy_counts_by_their_own_address(new_bot: NewBot) -> None:
    bot = new_bot(ADDRESS_LIMIT=2, TRUSTED_PROXIES=1)
    assert tries_from(bot, [(f"192.0.2.{n}", None) for n in range(1, 5)]) == [WRONG] * 4


def test_a_burst_cannot_outrun_the_limit(new_bot: NewBot, site: Site) -> None:
    bot = new_bot(SIGN_IN_CONCURRENCY=64)
    browsers = [bot.browser() for _ in range(12)]
    for browser in browsers:
        browser.open()
    start = threading.Barrier(len(browsers))
    answers: list[str] = []

    def run(browser: Browser) -> None:
        start.wait(60)
        page = browser.submit("login", username="ada", password="wrong")
        answers.append(outcome(browser.follow() if page.status_code == 303 else page))
        bot.linking.store.close()

    threads = [threading.Thread(target=run, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [LIMITED] * 7 + [WRONG] * 5
    assert len(site.asked) == 5


def test_more_sign_ins_at_once_than_allowed_are_asked_to_come_again(new_bot: NewBot) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(username: str, password: str) -> Account | None:
        if username == "slow":
            inside.set()
            assert go_on.wait(60)
        return ADA

    bot = new_bot(authenticate=slow, SIGN_IN_CONCURRENCY=1)
    first, second = bot.browser(), bot.browser()
    first.open()
    second.open()
    answers: list[int] = []

    def run() -> None:
        answers.append(first.submit("login", username="slow", password="x").status_code)
        bot.linking.store.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(60)
    busy = second.submit("login", username="ada", password="x")
    go_on.set()
    thread.join(60)
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "2")
    assert answers == [303]
    assert second.submit("login", username="ada", password="x").status_code == 303


def test_who_was_asked_to_come_again_has_not_used_up_a_try(new_bot: NewBot) -> None:
    bot = new_bot(SIGN_IN_CONCURRENCY=1, SIGN_IN_LIMIT=1)
    browser = bot.browser()
    browser.open()
    view: Any = bot.app.view_functions["bot_linking.sign_in"]
    with view.__self__.admission.place():
        for _ in range(3):
            assert browser.submit("login", username="ada", password="lovelace-1815").status_code == 503
    assert browser.submit("login", username="ada", password="lovelace-1815").status_code == 303


def test_when_the_store_is_away_nobody_is_let_in_unlimited(bot: Bot, site: Site) -> None:
    browser = bot.browser()
    browser.open()
    hidden = bot.database.with_suffix(".away")
    bot.database.rename(hidden)
    try:
        page = browser.submit("login", username="ada", password="lovelace-1815")
    finally:
        hidden.rename(bot.database)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "10")
    assert "Nothing was changed" in page.text
    assert not site.asked
    browser.open()
    assert browser.submit("login", username="ada", password="lovelace-1815").status_code == 303


# Sign-up


@pytest.fixture
def shop(new_bot: NewBot, site: Site) -> Bot:
    return new_bot(create_account=site.create_account)


def sign_up(
    browser: Browser, username: str = "new", password: str = "long-enough", email: str = ""
) -> TestResponse:
    browser.get(f"/linking/signup?{ENTRY}")
    return browser.submit("signup", username=username, password=password, email=email)


def test_a_new_account_still_has_to_consent(shop: Bot) -> None:
    browser = shop.browser()
    assert sign_up(browser, "new", "long-enough", "new@example.com").status_code == 303
    page = browser.follow()
    assert "new" in page.text
    assert browser.form("consent")
    assert browser.consent()


def test_the_pages_lead_from_one_to_the_other(shop: Bot) -> None:
    browser = shop.browser()
    assert "/linking/signup?" in browser.open().text
    assert "/linking/login?" in browser.get(f"/linking/signup?{ENTRY}").text


def test_who_signs_up_while_too_many_do_is_asked_to_come_again(shop: Bot) -> None:
    """A new password is hashed, too, which is as slow as checking one."""
    view: Any = shop.app.view_functions["bot_linking.sign_up"]
    with ExitStack() as places:
        for _ in range(shop.linking.settings.sign_in_concurrency):
            places.enter_context(view.__self__.admission.place())
        page = sign_up(shop.browser(), "new", "long-enough", "new@example.com")
        assert (page.status_code, page.headers["Retry-After"]) == (503, "2")
        assert 'value="new@example.com"' in page.text
    assert sign_up(shop.browser(), "new", "long-enough", "new@example.com").status_code == 303


def test_without_create_account_there_is_no_sign_up(bot: Bot) -> None:
    browser = bot.browser()
    assert "signup" not in browser.open().text
    form = browser.form("login")
    assert browser.get(f"/linking/signup?{ENTRY}").status_code == 404
    assert (
        browser.post("/linking/signup", form.fields | {"username": "x", "password": "y" * 9}).status_code
        == 404
    )


@pytest.mark.parametrize(
    ("username", "password", "says"),
    [
        ("ada", "long-enough", "That user name is taken."), ("new", "short-1", "8 characters"),
        ("", "long-enough", "Choose"), ("new", "", "Choose"), ("new", "x" * 1025, "1024 characters at most"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_the_rest_is_kept(
    shop: Bot, username: str, password: str, says: str
) -> None:
    browser = shop.browser()
    assert sign_up(browser, username, password, "new@example.com").status_code == 303
    page = browser.follow()
    assert says in page.text
    assert 'value="new@example.com"' in page.text
    assert password == "" or password not in page.text


@pytest.mark.parametrize(
    "name",
    ['"><script>alert(1)</script>', "{{7*7}}", "{name}", "a\u202eb", "<b>x</b>", "' or 1=1 --", "😀"],
)  # fmt: skip
def test_a_hostile_name_is_shown_as_text_and_nothing_else(shop: Bot, name: str) -> None:
    browser = shop.browser()
    assert sign_up(browser, name).status_code == 303
    page = browser.follow()
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<b>x" not in page.text
    assert "49" not in page.text.partition('class="sides"')[2].partition("</ul>")[0]


@pytest.mark.parametrize("name", ["x" * 255, "a\0b"])
def test_a_name_beyond_reason_is_refused(shop: Bot, site: Site, name: str) -> None:
    assert sign_up(shop.browser(), name).status_code == 400
    assert len(site.accounts) == 2


def test_sign_ups_from_one_address_are_limited(new_bot: NewBot, site: Site) -> None:
    bot = new_bot(create_account=site.create_account, ADDRESS_LIMIT=2)
    answers = [sign_up(bot.browser(), f"new-{number}") for number in range(3)]
    assert [answer.status_code for answer in answers] == [303, 303, 429]
    assert answers[-1].headers["Retry-After"] == "60"
    assert len(site.accounts) == 4


def test_the_whole_way_ends_with_the_persons_link(shop: Bot) -> None:
    browser = shop.browser()
    sign_up(browser)
    browser.follow()
    shop.post(batch(linked_event(code_in(browser.consent()))))
    link = shop.linking.link_of(PSID)
    assert link is not None
    assert link.username == "new"
