"""Sign-in by a code in an e-mail."""

from __future__ import annotations

import logging
import re
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

import bot_linking.webview
from bot_linking import Account, ConfigurationError
from bot_linking.webview import mailed
from bot_linking.webview.admission import CODES_A_DAY, WRONG_CODES_A_DAY
from bot_linking.webview.mailed import MailedCodes, is_address, is_impostor
from tests.bots import Bot, NewBot
from tests.browser import Browser
from tests.people import ADA, Site
from tests.wire import PSID, SITE, batch, code_in, linked_event

from .guarded import guarded
from .mailbox import ADDRESS, Mailbox, ask_for_code, mailing, other_than

OVER = "Three wrong codes"
WRONG = "Wrong code. Use the code from the newest email."


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def bot(new_bot: NewBot, mailbox: Mailbox) -> Bot:
    return mailing(new_bot, mailbox)


def give(browser: Browser, code: str) -> TestResponse:
    """Type a code, and return the page that it leads to."""
    page = browser.submit("email-code", code=code)
    return browser.follow() if page.status_code == 303 else page


# The way through


@pytest.mark.parametrize("with_password", [True, False])
def test_a_code_signs_in_and_the_consent_links(
    new_bot: NewBot, site: Site, mailbox: Mailbox, with_password: bool
) -> None:
    bot = mailing(new_bot, mailbox, authenticate=site.authenticate if with_password else None)
    browser = bot.browser()
    login = browser.open().text
    assert ('name="password"' in login) == with_password
    assert "Please log in at Acme first" not in login
    answer = browser.submit("email", email=ADDRESS)
    assert answer.headers["Location"].startswith("email-code/")
    assert "ada@example.com" in browser.follow().text
    assert "The code works for 10 more minutes" in browser.page.text
    page = give(browser, mailbox.code())
    assert page.status_code == 200
    assert "Ada L." in page.text
    bot.post(batch(linked_event(code_in(browser.consent()), at=bot.clock.ms)))
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == ADA.id


def test_the_page_of_the_code_survives_a_reload_and_changes_nothing(bot: Bot, mailbox: Mailbox) -> None:
    browser = ask_for_code(bot)
    code, before = mailbox.code(), bot.rows()["attempts"]
    own = browser.location
    for address in (own, own, "/linking/email-code", "/linking/email"):
        page = browser.get(address)
        page = browser.follow() if page.status_code == 303 else page
        assert browser.form("email-code")
        assert "ada@example.com" in page.text
    assert bot.rows()["attempts"] == before
    assert len(mailbox.sent) == 1
    assert give(browser, code).status_code == 200


@pytest.mark.parametrize("typed", ["{0} ", " {0}", "{1} {2}", "{1}-{2}"])
def test_a_code_is_taken_however_a_keyboard_types_it(bot: Bot, mailbox: Mailbox, typed: str) -> None:
    browser = ask_for_code(bot)
    code = mailbox.code()
    give(browser, typed.format(code, code[:3], code[3:]))
    assert browser.form("consent")


def test_a_second_factor_still_follows(new_bot: NewBot, mailbox: Mailbox) -> None:
    world = guarded(
        new_bot, ADA.id, find_by_email=mailbox.find_by_email, send_code=mailbox.send_code, authenticate=None
    )
    browser = ask_for_code(world.bot)
    give(browser, mailbox.code())
    assert browser.form("second-factor")
    browser.submit("second-factor", code=world.codes.code_of(ADA.id))
    browser.follow()
    assert browser.consent()


def test_a_web_link_knows_it_too(new_bot: NewBot, mailbox: Mailbox) -> None:
    bot = mailing(new_bot, mailbox, WEB_PROOF="consent")
    with bot.app.test_request_context(base_url=SITE):
        url = bot.linking.web_link(PSID)
    browser = bot.browser()
    browser.get(url.removeprefix(SITE))
    browser.submit("email", email=ADDRESS)
    browser.follow()
    give(browser, mailbox.code())
    browser.submit("consent")
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == ADA.id


def test_the_page_leads_back_to_the_sign_in_page_and_a_password_ends_the_code(
    bot: Bot, mailbox: Mailbox
) -> None:
    browser = ask_for_code(bot)
    code_page, at = browser.page, browser.location
    login = re.search(r'<a href="(/linking/login/[^"]+)"', browser.page.text)
    assert login is not None
    browser.get(login[1])
    browser.sign_in("grace", "hopper-1906")
    assert browser.form("consent")
    browser._page, browser.location = code_page, at
    assert give(browser, mailbox.code()).status_code == 200
    assert browser.form("consent")
    assert "grace" in browser.page.text


def test_cancel_ends_the_code(bot: Bot, mailbox: Mailbox) -> None:
    browser = ask_for_code(bot)
    form = browser.form("email-code")
    browser.submit("cancel")
    page = browser.post("/linking/email-code", {**form.fields, "code": mailbox.code()})
    assert page.status_code == 400
    assert not bot.rows()["codes"]


# The code


def test_a_wrong_code_is_said_and_the_fourth_try_is_none(bot: Bot, mailbox: Mailbox) -> None:
    browser = ask_for_code(bot)
    code = mailbox.code()
    wrong = other_than(code)
    titles = [give(browser, wrong).text, give(browser, wrong).text, give(browser, wrong).text]
    assert [WRONG in text for text in titles] == [True, True, False]
    assert OVER in titles[2]
    assert OVER in give(browser, code).text
    assert browser.form("email-code")


def test_each_wrong_code_is_told_to_the_funnel_as_a_wrong_password_is(bot: Bot, mailbox: Mailbox) -> None:
    browser = ask_for_code(bot)
    for _ in range(4):
        give(browser, other_than(mailbox.code()))
    refused = {"email-code_mailed_wrong": 2, "email-code_mailed_over": 2}
    assert bot.linking.funnel()["refused"] == refused


def test_a_right_code_of_no_account_is_told_to_the_funnel_as_a_wrong_one(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = ask_for_code(bot, "nobody@example.com")
    monkeypatch.setattr(MailedCodes, "is_right", lambda *_: True)
    give(browser, "123456")
    assert bot.linking.funnel()["refused"] == {"email-code_mailed_wrong": 1}


def test_a_right_third_try_is_taken(bot: Bot, mailbox: Mailbox) -> None:
    browser = ask_for_code(bot)
    for _ in range(2):
        give(browser, other_than(mailbox.code()))
    give(browser, mailbox.code())
    assert browser.form("consent")


@pytest.mark.parametrize(("seconds", "is_good"), [(599, True), (600, False)])
def test_a_code_is_good_for_ten_minutes(bot: Bot, mailbox: Mailbox, seconds: int, is_good: bool) -> None:
    bot.graph.owners.clear()  # the linking token has expired by then; this test is about the code
    bot.graph.down = True
    browser = ask_for_code(bot)
    bot.clock.advance(seconds)
    page = give(browser, mailbox.code())
    assert ("too old" in page.text) == (not is_good)


def test_a_new_code_ends_the_old_one_and_has_tries_of_its_own(bot: Bot, mailbox: Mailbox) -> None:
    browser = ask_for_code(bot)
    old = mailbox.code()
    for _ in range(3):
        give(browser, other_than(old))
    browser.submit("email", again="1")
    browser.follow()
    new = mailbox.code(2)
    if new != old:
        assert WRONG in give(browser, old).text
    assert mailbox.sent[1][0] == ADDRESS
    give(browser, new)
    assert browser.form("consent")


def test_a_code_is_good_once(bot: Bot, mailbox: Mailbox) -> None:
    browser = ask_for_code(bot)
    form = browser.form("email-code")
    fields = {**form.fields, "code": mailbox.code()}
    browser.post("/linking/email-code", fields)
    location = browser.page.headers["Location"]
    assert location.startswith("consent/")
    before = bot.rows()["attempts"]
    assert browser.post("/linking/email-code", fields).headers["Location"] == location
    assert bot.rows()["attempts"] == before


def test_a_code_is_good_in_the_browser_and_the_attempt_that_asked_for_it_alone(
    bot: Bot, mailbox: Mailbox
) -> None:
    mine, first = ask_for_code(bot), mailbox.code(1)
    other, second = ask_for_code(bot), mailbox.code(2)
    if first != second:
        assert WRONG in give(mine, second).text
        assert WRONG in give(other, first).text
    form = mine.form("email-code")
    stranger = bot.browser()
    for code in (first, second):
        assert stranger.post("/linking/email-code", {**form.fields, "code": code}).status_code == 400


def test_two_attempts_of_one_browser_each_need_their_own_code(bot: Bot, mailbox: Mailbox) -> None:
    browser = bot.browser()
    pages = []
    for number in (1, 2):
        browser.open()
        browser.submit("email", email=ADDRESS)
        browser.follow()
        mailbox.code(number)
        pages.append((browser.page, browser.location))
    codes = [code for _, code in mailbox.sent]
    browser._page, browser.location = pages[0]
    if codes[0] != codes[1]:
        assert WRONG in give(browser, codes[1]).text
    give(browser, codes[0])
    assert browser.form("consent")


def cookies_of(browser: Browser) -> dict[str, str]:
    found = {}
    for name in ("__Host-bot_linking", "__Host-bot_linking_session"):
        cookie = browser.client.get_cookie(name, domain="bot.example")
        assert cookie is not None
        found[name] = cookie.value
    return found


def test_of_tries_at_the_same_time_three_are_judged(new_bot: NewBot, mailbox: Mailbox) -> None:
    """However many come at once: no answer tells whether the right one was among them."""
    bot = mailing(new_bot, mailbox, ADDRESS_LIMIT=1000)
    browser = ask_for_code(bot)
    form, cookies = browser.form("email-code"), cookies_of(browser)
    wrong = [f"{(int(mailbox.code()) + n) % 1_000_000:06d}" for n in range(1, 13)]
    start = threading.Barrier(len(wrong))

    def guess(code: str) -> None:
        clone = bot.browser()
        for name, value in cookies.items():
            clone.client.set_cookie(name, value, domain="bot.example", secure=True)
        start.wait(60)
        clone.post("/linking/email-code", {**form.fields, "code": code})
        bot.linking.store.close()

    threads = [threading.Thread(target=guess, args=(code,)) for code in wrong]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    kept = bot.linking.store.find_attempt(browser.location.rpartition("/")[2])
    assert kept is not None
    assert kept.awaited is not None
    assert 1 <= kept.awaited.tries <= 3


def test_a_try_is_counted_before_the_site_is_asked_about_a_right_code(
    new_bot: NewBot, mailbox: Mailbox
) -> None:
    """Otherwise the time of the second answer would tell which guess was right."""
    tries = []

    def find(address: str) -> Account | None:
        tries.append(str(made.rows()["attempts"]))
        return mailbox.find_by_email(address)

    made = new_bot(find_by_email=find, send_code=mailbox.send_code)
    browser = ask_for_code(made)
    give(browser, mailbox.code())
    assert '"tries": 0' in tries[0]
    assert '"tries": 1' in tries[-1]


# What nobody may learn


def same_page(page: TestResponse) -> str:
    return re.sub(r'(name="ticket" value=")[^"]*', r"\1", page.text)


def shown(browser: Browser, page: TestResponse, address: str) -> tuple[Any, ...]:
    """The text of a page, without the values of its attempt."""
    own = browser.location.rpartition("/")[2]
    ours = {"Set-Cookie", "Content-Length", "Location"}
    headers = {name: value for name, value in page.headers.items() if name not in ours}
    return page.status_code, same_page(page).replace(own, "").replace(address, ""), headers


def test_an_address_with_an_account_and_one_without_get_the_same_answers(bot: Bot, mailbox: Mailbox) -> None:
    answers = []
    for address in (ADDRESS, "nobody@example.org"):
        browser = bot.browser()
        browser.open()
        page = browser.submit("email", email=address)
        cookies = re.sub(r"Expires=[^;]+|[\w~.-]{20,}", "", " ".join(page.headers.getlist("Set-Cookie")))
        pages = [(page.status_code, cookies)]
        pages.append(shown(browser, browser.follow(), address))
        for _ in range(4):
            pages.append(shown(browser, give(browser, "123456x"), address))
        browser.submit("email", again="1")
        pages.append(shown(browser, browser.follow(), address))
        answers.append(pages)
    assert answers[0] == answers[1]
    mailbox.wait_until_asked(4)
    assert {address for address, _ in mailbox.sent} == {ADDRESS}


def test_no_page_waits_for_the_site_or_the_mail(new_bot: NewBot) -> None:
    """Both are asked after the page was answered, so its time tells nothing."""
    gate = threading.Event()
    passed = threading.Event()

    def find(address: str) -> Account | None:
        assert gate.wait(30)
        return ADA

    bot = new_bot(find_by_email=find, send_code=lambda address, code: passed.set())
    assert ask_for_code(bot).form("email-code")
    assert not passed.is_set()
    gate.set()
    assert passed.wait(30)


def test_unknown_addresses_are_limited_like_known_ones(new_bot: NewBot, mailbox: Mailbox) -> None:
    bot = mailing(new_bot, mailbox, ADDRESS_LIMIT=1000)
    for address in (ADDRESS, "nobody@example.org"):
        codes = []
        for _ in range(6):
            browser = bot.browser()
            browser.open()
            codes.append(browser.submit("email", email=address).status_code)
        assert codes == [303] * 5 + [429]
        assert browser.page.headers["Retry-After"] == "300"
        assert f'value="{address}"' in browser.page.text


@pytest.mark.parametrize(
    ("spelling", "address"),
    [
        ("ADA@example.com", ADDRESS),
        ("Ada@EXAMPLE.com", ADDRESS),
        ("ａda@example.com", ADDRESS),
        ("ada\u0661@example.com", "ada1@example.com"),
        ("ada\u1369@example.com", "ada1@example.com"),
        ("ada\u24fe@example.com", "ada10@example.com"),
    ],
)
def test_another_spelling_of_an_address_is_counted_as_the_same(
    new_bot: NewBot, mailbox: Mailbox, spelling: str, address: str
) -> None:
    bot = mailing(new_bot, mailbox, ADDRESS_LIMIT=1000)
    for _ in range(5):
        ask_for_code(bot, spelling)
    browser = bot.browser()
    browser.open()
    assert browser.submit("email", email=address).status_code == 429


def test_the_address_of_a_browser_is_limited(bot: Bot) -> None:
    for number in range(10):
        ask_for_code(bot, f"name-{number}@example.org")
    browser = bot.browser()
    browser.open()
    assert browser.submit("email", email="another@example.org").status_code == 429


def test_a_new_code_counts_like_the_first_and_the_page_says_so(new_bot: NewBot, mailbox: Mailbox) -> None:
    bot = mailing(new_bot, mailbox, ADDRESS_LIMIT=1000)
    browser = ask_for_code(bot)
    for _ in range(4):
        browser.submit("email", again="1")
        browser.follow()
    page = browser.submit("email", again="1")
    assert page.status_code == 429
    assert browser.form("email-code")
    assert "Too many attempts" in page.text
    assert "Too many attempts" in browser.get("/linking/email").text or browser.follow().text


def test_guesses_at_ever_new_codes_are_few_in_a_day(bot: Bot, mailbox: Mailbox) -> None:
    """Three guesses at each of ever new codes would find six digits within weeks."""
    judged = 0
    for number in range(1, 13):
        browser, code = ask_for_code(bot), mailbox.code(number)
        form = browser.form("email-code")
        for _ in range(3):
            page = browser.post("/linking/email-code", {**form.fields, "code": other_than(code)})
            judged += page.status_code == 303
        bot.clock.advance(301)
    assert judged == WRONG_CODES_A_DAY
    assert page.status_code == 429
    assert "Too many attempts" in page.text
    page = give(ask_for_code(bot, "grace@example.com"), mailbox.code(13))
    assert "grace" in page.text
    bot.clock.advance(86_400)
    assert "ada" in give(ask_for_code(bot), mailbox.code(14)).text


def test_a_stranger_fills_no_mailbox(bot: Bot, mailbox: Mailbox) -> None:
    """From one network a few codes go to an address in a day. A right code ends the counting."""
    for number in range(1, CODES_A_DAY + 1):
        browser = ask_for_code(bot)
        mailbox.code(number)
        bot.clock.advance(61)
    another = bot.browser()
    another.open()
    assert another.submit("email", email=ADDRESS).status_code == 429
    assert int(another.page.headers["Retry-After"]) > 3600
    assert "ada" in give(browser, mailbox.code(CODES_A_DAY)).text
    assert ask_for_code(bot).form("email-code")


def test_a_right_code_starts_the_count_again(new_bot: NewBot, mailbox: Mailbox) -> None:
    bot = mailing(new_bot, mailbox, ADDRESS_LIMIT=2, SIGN_IN_LIMIT=2)
    for number in range(1, 6):
        browser = ask_for_code(bot)
        give(browser, mailbox.code(number))
        assert browser.form("consent")


def test_password_and_code_do_not_use_up_each_others_tries(bot: Bot) -> None:
    for _ in range(5):
        browser = bot.browser()
        browser.open()
        browser.sign_in("ada", "wrong")
    assert ask_for_code(bot).form("email-code")


def test_more_codes_at_once_than_allowed_are_asked_to_come_again(
    new_bot: NewBot, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailed, "MOST_AT_ONCE", 2)
    gate = threading.Event()

    def send(address: str, code: str) -> None:
        mailbox.send_code(address, code)
        gate.wait(30)

    bot = new_bot(find_by_email=mailbox.find_by_email, send_code=send)
    for _ in range(2):
        ask_for_code(bot)
    for address in (ADDRESS, "nobody@example.org"):
        browser = bot.browser()
        browser.open()
        assert browser.submit("email", email=address).status_code == 503
        assert browser.form("email")
    gate.set()
    mailbox.code(2)


def test_a_code_that_was_not_sent_for_being_too_busy_is_not_counted(
    new_bot: NewBot, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailed, "MOST_AT_ONCE", 0)
    browser = mailing(new_bot, mailbox, SIGN_IN_LIMIT=2).browser()
    browser.open()
    assert [browser.submit("email", email=ADDRESS).status_code for _ in range(4)] == [503] * 4


@pytest.mark.parametrize("failing", ["find", "send", "type"])
def test_a_failure_of_the_site_is_logged_without_what_it_says(
    new_bot: NewBot, caplog: pytest.LogCaptureFixture, failing: str
) -> None:
    done = threading.Event()

    def find(address: str) -> Any:
        if failing == "find":
            raise ConnectionError(f"no database for {address}")
        return "ada" if failing == "type" else ADA

    def send(address: str, code: str) -> None:
        raise ConnectionError(f"no mail of {code} to {address}")

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "a code was not sent" in record.getMessage():
                noted.append(record)
                done.set()

    noted = list[logging.LogRecord]()
    handler = Noting()
    logging.getLogger("bot_linking.webview").addHandler(handler)
    try:
        bot = new_bot(find_by_email=find, send_code=send)
        assert ask_for_code(bot).form("email-code")
        assert done.wait(30)
    finally:
        logging.getLogger("bot_linking.webview").removeHandler(handler)
    said = caplog.text + noted[0].getMessage()
    assert "ada@" not in said
    assert not re.search(r"\b[0-9]{6}\b", said.replace("links.db", ""))
    assert ("TypeError" if failing == "type" else "ConnectionError") in said
    assert not noted[0].exc_info


def test_no_copy_of_the_database_gives_a_code_away(bot: Bot, mailbox: Mailbox) -> None:
    """A digest is keyed with the browser's secret and the site's key."""
    browser = ask_for_code(bot)
    code = mailbox.code()
    kept = bot.linking.store.find_attempt(browser.location.rpartition("/")[2])
    assert kept is not None
    assert kept.awaited is not None
    assert code not in repr(bot.rows()["attempts"])
    assert kept.awaited.digest not in repr(kept)
    assert ADDRESS not in repr(kept.awaited)
    secret = cookies_of(browser)["__Host-bot_linking_session"].rpartition(".")[2]
    other = MailedCodes(mailbox.find_by_email, mailbox.send_code, keys=("x" * 32,), in_context=ExitStack)
    own = MailedCodes(
        mailbox.find_by_email, mailbox.send_code, keys=bot.linking.settings.secret_key, in_context=ExitStack
    )
    assert own.is_right(kept.awaited, code, kept.attempt_id, secret)
    assert not own.is_right(kept.awaited, code, kept.attempt_id, secret.swapcase())
    assert not own.is_right(kept.awaited, code, kept.attempt_id + "x", secret)
    assert not other.is_right(kept.awaited, code, kept.attempt_id, secret)


def test_a_code_of_before_a_new_key_is_still_good(mailbox: Mailbox) -> None:
    def codes(*keys: str) -> MailedCodes:
        return MailedCodes(mailbox.find_by_email, mailbox.send_code, keys=keys, in_context=ExitStack)

    code, awaited = codes("old key").make(ADDRESS, "attempt", now=0)
    assert codes("new key", "old key").is_right(awaited("session"), code, "attempt", "session")
    assert not codes("new key").is_right(awaited("session"), code, "attempt", "session")


def test_codes_are_six_digits_of_chance(mailbox: Mailbox) -> None:
    codes = MailedCodes(mailbox.find_by_email, mailbox.send_code, keys=("k",), in_context=ExitStack)
    made = {codes.make(ADDRESS, "attempt", now=0)[0] for _ in range(300)}
    assert len(made) > 290
    assert all(re.fullmatch("[0-9]{6}", code) for code in made)


# Addresses


@pytest.mark.parametrize(
    "address",
    ["ada@example.com", "a.b+c@sub.example.co.uk", "o'brien@example.ie", "jürgen@bücher.example",
     "ada@intranet", "用户@例子.example", "x" * 64 + "@example.com"],
)  # fmt: skip
def test_addresses_of_people_are_taken(address: str) -> None:
    assert is_address(address)


HOSTILE = [
    "", "ada", "@example.com", "ada@", "ada@@example.com", "ada@example.com@evil.example", "a b@example.com",
    "ada@example.com,evil@evil.example", "ada@example.com;evil@evil.example", "Ada <ada@example.com>",
    "<ada@example.com>", "ada@example.com\r\nBcc: evil@evil.example", "ada\n@example.com",
    "ada@exa\tmple.com",
    "-oQ/tmp@example.com", '"ada"@example.com', "ada(x)@example.com", "ada@[127.0.0.1]", "ada@.example.com",
    "ada@example.com.", "ada@exa..mple.com", ".ada@example.com", "ada.@example.com", "a..da@example.com",
    "ada@example.com%0abcc:x", "a|sh@example.com", "a`id`@example.com", "evil!ada@example.com",
    "ada\u202e@example.com", "ada@exam\u200bple.com", "ada\u00a0@example.com", "x" * 65 + "@example.com",
    "ada@" + "x" * 251, "ada@-example.com", "ada@example-", "ada\\@example.com", "{{7*7}}@example.com:",
]  # fmt: skip


@pytest.mark.parametrize("address", HOSTILE)
def test_what_is_no_address_of_one_person_is_refused_and_reaches_nobody(
    bot: Bot, mailbox: Mailbox, address: str
) -> None:
    assert not is_address(address)
    browser = bot.browser()
    browser.open()
    page = browser.submit("email", email=address)
    if page.status_code == 303:
        assert "That is not an email address." in browser.follow().text
    assert not mailbox.asked


@pytest.mark.parametrize(
    ("typed", "own", "is_other"),
    [
        ("ada@example.com", "ada@example.com", False),
        ("ADA@example.com", "ada@Example.com", False),
        ("\u0061\u0308da@example.com", "\u00e4da@example.com", False),
        ("àda@example.com", "ada@example.com", True),
        ("ada@example.com", "àda@example.com", True),
        ("ａda@example.com", "ada@example.com", True),
        ("ada@exampl\u0435.com", "ada@example.com", True),  # Cyrillic: whatever the database takes it for
        ("ada@\u0967\u096c\u0969.com", "ada@163.com", True),  # digits of another script are digits to MySQL
        (
            "ada@\u0967\u096c\u0969.com",
            "ada@work.example",
            True,
        ),  # also where it was found by a second address
        ("ada@\u0967\u096c\u0969.com", None, True),
        ("ada@\u0967\u096c\u0969.com", "ADA@\u0967\u096c\u0969.COM", False),
        ("MI\u212aE@example.com", "mike@example.com", True),  # the Kelvin sign
        ("strasse@example.com", "straße@example.com", True),
        ("mike@g\u0131thub.com", "mike@github.com", True),  # a dotless i, whose capital is that of i
        ("mike@to\u00f8ls.example", "mike@tools.example", True),  # struck letters are base letters to MySQL
        ("mike@too\u0142s.example", "mike@tools.example", True),
        ("c\u00e6sar@example.com", "caesar@example.com", True),
        ("second@example.com", "ada@example.com", False),  # a second address of the same account
        ("ada@example.com", None, False),
    ],
)
def test_an_address_that_only_looks_like_the_accounts_own_is_another_persons(
    typed: str, own: str | None, is_other: bool
) -> None:
    assert is_impostor(typed, Account("1", email=own)) == is_other


def test_no_code_goes_to_an_address_that_only_looks_like_the_accounts_own(new_bot: NewBot) -> None:
    """The site's database compares without accents, as many do."""
    mailbox = Mailbox()
    asked = threading.Event()

    def find(address: str) -> Account | None:
        asked.set()
        return ADA

    bot = new_bot(find_by_email=find, send_code=mailbox.send_code)
    assert ask_for_code(bot, "àda@example.com").form("email-code")
    assert asked.wait(30)
    ask_for_code(bot)
    assert mailbox.code() == mailbox.sent[-1][1]
    assert [address for address, _ in mailbox.sent] == [ADDRESS]


def test_a_hostile_address_is_text_on_the_page(bot: Bot) -> None:
    browser = ask_for_code(bot, "o'{brand}{{7*7}}&x@example.com")
    assert "o&#39;{brand}{{7*7}}&amp;x@example.com" in browser.page.text


# Set-up


def test_the_guides_site_signs_in_by_a_code(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guide's code, with another mail program."""
    guide = (Path(bot_linking.webview.__file__).parent / "README.md").read_text("utf-8")
    block = re.search(r"## A code in an e-mail\n.*?```python\n(.*?)```", guide, re.DOTALL)
    assert block is not None
    mails, sent = list[Any](), threading.Event()

    class Server:
        def __init__(self, host: str, timeout: int) -> None:
            assert (host, timeout) == ("localhost", 10)

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *problem: object) -> None:
            sent.set()

        def send_message(self, mail: Any) -> None:
            mails.append(mail)

    monkeypatch.setattr("smtplib.SMTP", Server)
    names: dict[str, Any] = {}
    exec(compile(block[1], "guide", "exec"), names)
    app = Flask("guide")
    app.config.update(settings)
    names["linking"].init_app(app)
    browser = Browser(app, SITE)
    browser.open()
    browser.submit("email", email=ADDRESS)
    browser.follow()
    assert sent.wait(30)
    assert mails[0]["To"] == ADDRESS
    code = re.search("[0-9]{6}", mails[0].get_content())
    assert code is not None
    assert "Ada" in give(browser, code[0]).text
    assert browser.form("consent")


@pytest.mark.parametrize("name", ["find_by_email", "send_code"])
def test_one_without_the_other_is_a_mistake_that_is_said(
    new_bot: NewBot, name: str, mailbox: Mailbox
) -> None:
    with pytest.raises(ConfigurationError, match="go together"):
        new_bot(**{name: getattr(mailbox, name)})


@pytest.mark.parametrize("path", ["email", "email-code"])
def test_without_it_the_pages_are_not_there(new_bot: NewBot, path: str) -> None:
    bot = new_bot()
    browser = bot.browser()
    page = browser.open()
    assert 'name="email"' not in page.text
    ticket = browser.form("login").fields
    assert browser.post(f"/linking/{path}", ticket).status_code == 404
    assert browser.get("/linking/email-code/x").status_code == 404


def test_the_site_is_asked_in_an_application_context(new_bot: NewBot, mailbox: Mailbox) -> None:
    from flask import current_app, url_for

    found: list[str] = []

    def find(address: str) -> Account | None:
        found.append(current_app.name)
        return mailbox.find_by_email(address)

    def send(address: str, code: str) -> None:
        found.append(url_for("bot_linking.login", _external=True))
        mailbox.send_code(address, code)

    bot = new_bot(find_by_email=find, send_code=send)
    ask_for_code(bot)
    mailbox.code()
    assert found[:2] == [bot.app.name, f"{SITE}/linking/login"]
