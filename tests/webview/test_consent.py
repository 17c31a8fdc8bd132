"""Consent: only the button links, and only for the person, the account and the browser of its page."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot_linking import Account
from tests.bots import Bot, NewBot
from tests.browser import Browser
from tests.people import ADA, GRACE, Site
from tests.wire import (
    OTHER_PSID,
    OTHER_TOKEN,
    PAGE,
    PSID,
    SITE,
    TOKEN,
    batch,
    code_in,
    linked_event,
    return_url,
)

NO_CODE = "authorization_code"


def at_consent(bot: Bot, token: str = TOKEN) -> Browser:
    browser = bot.browser()
    browser.open(token)
    assert browser.sign_in().status_code == 200
    return browser


def codes(bot: Bot) -> int:
    return len(bot.rows()["codes"])


def use(bot: Bot, code: str, psid: str = PSID, at: int | None = None) -> None:
    assert bot.post(batch(linked_event(code, psid=psid, at=at))).status_code == 200


# What it says


def test_it_names_both_sides(bot: Bot) -> None:
    page = at_consent(bot).page.text
    for words in ("ada", "ada@example.com", "Acme", "Ada L."):
        assert words in page
    assert "Did someone send you to this page?" in page


def test_it_links_without_a_profile_name_when_messenger_does_not_tell_it(bot: Bot) -> None:
    bot.graph.failures[PSID] = {"code": 2018247}
    browser = at_consent(bot)
    assert "Ada L." not in browser.page.text
    use(bot, code_in(browser.consent()))
    assert bot.linking.link_of(PSID) is not None


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "{{7*7}}", "{account}", '"><img src=x>', "\u202eadA"]
)
def test_a_hostile_profile_name_is_text(bot: Bot, name: str) -> None:
    bot.graph.names[PSID] = (name, "")
    page = at_consent(bot).page.text
    assert "<script>" not in page
    assert "<img src=x" not in page
    assert "49" not in page.partition('class="sides"')[2].partition("</ul>")[0]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{name}", "'\"><b>"])
def test_a_hostile_account_name_is_text(new_bot: NewBot, name: str) -> None:
    account = Account("1", username=name, email=f"{name}@example.com", display_name=name)
    page = at_consent(new_bot(authenticate=lambda username, password: account)).page.text
    assert "<script>" not in page
    assert "<b>" not in page


def test_a_code_is_32_characters_of_chance_and_only_its_digest_is_kept(bot: Bot) -> None:
    found = {bot.browser().code() for _ in range(5)}
    assert len(found) == 5
    assert {len(code) for code in found} == {32}
    stored = repr(bot.rows())
    assert not [code for code in found if code in stored]


def test_the_code_is_committed_before_the_browser_leaves(bot: Bot) -> None:
    """A webhook in another process may be faster than the browser."""
    code = code_in(at_consent(bot).consent())
    use(bot, code)
    assert bot.linking.link_of(PSID) is not None


def test_without_the_page_linked_the_answer_is_303_at_once(new_bot: NewBot) -> None:
    bot = new_bot(CONFIRMATION_PAGE=False)
    page = at_consent(bot).submit("consent")
    assert page.status_code == 303
    assert page.headers["Location"].startswith(return_url() + "&authorization_code=")


def test_the_page_linked_leads_on_without_javascript(bot: Bot) -> None:
    browser = at_consent(bot)
    target = browser.consent()
    assert browser.page.status_code == 200
    assert "Almost done, going back to Messenger" in browser.page.text
    assert target.startswith(return_url() + "&authorization_code=")
    assert "<script" not in browser.page.text
    assert f'href="{target.replace("&", "&amp;")}"' in browser.page.text


# Once, however often it is pressed


def test_a_double_click_gives_working_codes_and_one_link(bot: Bot) -> None:
    browser = at_consent(bot)
    form = browser.form("consent")
    from bot_linking.testing import refresh_of

    targets = [refresh_of(browser.post("/linking/consent", form.fields).text) for _ in range(3)]
    first, second, third = (code_in(str(target)) for target in targets)
    use(bot, second)
    use(bot, first)
    use(bot, third)
    assert bot.heard.names().count("AccountLinked") == 1
    assert len(bot.linking.links_of("1")) == 1
    assert bot.heard.reasons() == []


def test_two_clicks_at_the_same_moment_give_working_codes_and_one_link(bot: Bot) -> None:
    browser = at_consent(bot)
    fields = browser.form("consent").fields
    start = threading.Barrier(4)
    pages: list[TestResponse] = []

    def click() -> None:
        start.wait(60)
        client = bot.app.test_client()
        for cookie in (browser.client.get_cookie("__Host-bot_linking_session", domain="bot.example"),):
            assert cookie is not None
            client.set_cookie(cookie.key, cookie.value, domain="bot.example")
        pages.append(client.post("/linking/consent", data=fields, base_url=SITE))
        bot.linking.store.close()

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    from bot_linking.testing import refresh_of

    assert [page.status_code for page in pages] == [200] * 4
    for page in pages:
        use(bot, code_in(str(refresh_of(page.text))))
    assert bot.heard.names().count("AccountLinked") == 1


def test_after_the_link_is_made_the_old_page_makes_no_more_codes(bot: Bot) -> None:
    browser = at_consent(bot)
    fields = browser.form("consent").fields
    use(bot, code_in(browser.consent()))
    before = codes(bot)
    page = browser.post("/linking/consent", fields)
    assert page.status_code == 400
    assert "already done" in page.text
    assert codes(bot) == before


def test_two_tabs_of_one_browser_are_two_attempts_that_both_go_on(bot: Bot) -> None:
    browser = bot.browser()
    first = browser.open()
    browser.open()
    browser.sign_in()
    second_consent = browser.form("consent").fields
    browser._page, browser.location = first, "/linking/login"
    browser.sign_in()
    use(bot, code_in(browser.consent()))
    from bot_linking.testing import refresh_of

    answer = browser.post("/linking/consent", second_consent)
    use(bot, code_in(str(refresh_of(answer.text))))
    assert len(bot.linking.links_of("1")) == 1
    assert bot.heard.reasons() == []


def test_leaving_one_tab_leaves_the_other_as_it_is(bot: Bot) -> None:
    browser = bot.browser()
    first = browser.open()
    browser.open(OTHER_TOKEN)
    browser.sign_in("grace", "hopper-1906")
    kept = browser.location
    browser._page, browser.location = first, "/linking/login"
    browser.sign_in()
    browser.submit("cancel")
    assert "grace" in browser.get(kept).text
    use(bot, code_in(browser.consent()), psid=OTHER_PSID)
    link = bot.linking.link_of(OTHER_PSID)
    assert link is not None
    assert link.account_id == "2"


# For whom


def test_the_code_is_good_for_the_person_whose_token_it_was_and_nobody_else(bot: Bot) -> None:
    code = code_in(at_consent(bot).consent())
    use(bot, code, psid=OTHER_PSID)
    assert bot.linking.link_of(OTHER_PSID) is None
    assert bot.heard.reasons() == ["code_wrong_person"]
    use(bot, code)
    assert bot.linking.link_of(PSID) is not None


def test_messenger_is_asked_after_the_sign_in_and_not_before(bot: Bot) -> None:
    browser = bot.browser()
    browser.open()
    assert not bot.graph.calls
    browser.submit("login", username="ada", password="wrong")
    browser.follow()
    assert not bot.graph.calls
    browser.sign_in()
    assert [call.path for call in bot.graph.calls] == ["me", PSID]
    browser.consent()
    assert len(bot.graph.calls) == 2  # once for each login


def test_an_expired_linking_token_leads_to_the_page_expired(bot: Bot) -> None:
    del bot.graph.owners[TOKEN]
    browser = bot.browser()
    browser.open()
    page = browser.submit("login", username="ada", password="lovelace-1815")
    assert page.status_code == 400
    assert "This page has expired" in page.text
    assert bot.rows()["attempts"] == []


def test_a_token_that_expires_before_the_consent_is_asked_again(bot: Bot) -> None:
    browser = at_consent(bot)
    bot.clock.advance(301)
    del bot.graph.owners[TOKEN]
    page = browser.submit("consent")
    assert page.status_code == 400
    assert "This page has expired" in page.text
    assert codes(bot) == 0


def test_a_slow_person_whose_token_is_still_good_is_linked(bot: Bot) -> None:
    browser = at_consent(bot)
    bot.clock.advance(600)
    use(bot, code_in(browser.consent()), at=bot.clock.ms)
    assert bot.linking.link_of(PSID) is not None


def test_after_a_quarter_of_an_hour_it_is_over(bot: Bot) -> None:
    browser = at_consent(bot)
    bot.clock.advance(901)
    assert browser.submit("consent").status_code == 400
    assert codes(bot) == 0


def test_when_messenger_is_down_the_code_is_unbound_and_lives_a_minute(bot: Bot) -> None:
    bot.graph.down = True
    browser = at_consent(bot)
    code = code_in(browser.consent())
    bot.clock.advance(59)
    use(bot, code)
    assert bot.linking.link_of(PSID) is not None


def test_an_unbound_code_is_dead_after_its_minute(bot: Bot) -> None:
    bot.graph.down = True
    code = code_in(at_consent(bot).consent())
    bot.clock.advance(61)
    use(bot, code)
    assert bot.linking.link_of(PSID) is None
    assert bot.heard.reasons() == ["code_expired"]


def test_a_messenger_that_answers_at_consent_binds_the_code_after_all(bot: Bot) -> None:
    bot.graph.down = True
    browser = at_consent(bot)
    bot.graph.down = False
    code = code_in(browser.consent())
    use(bot, code, psid=OTHER_PSID)
    assert bot.linking.link_of(OTHER_PSID) is None


def test_a_strict_bot_refuses_when_messenger_is_down(new_bot: NewBot) -> None:
    bot = new_bot(strict=True)
    bot.graph.down = True
    page = at_consent(bot).submit("consent")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "10")
    assert "Messenger does not answer" in page.text
    assert codes(bot) == 0
    assert bot.heard.reasons() == ["messenger_silent"]


@pytest.mark.parametrize("strict", [False, True])
def test_a_token_of_another_page_is_refused(new_bot: NewBot, strict: bool) -> None:
    bot = new_bot(strict=strict)
    bot.graph.page_id = "999"
    browser = bot.browser()
    browser.open()
    page = browser.submit("login", username="ada", password="lovelace-1815")
    assert page.status_code == 400
    assert bot.rows()["attempts"] == []


def test_a_bot_without_a_configured_page_takes_the_page_that_messenger_names(new_bot: NewBot) -> None:
    bot = new_bot(PAGE_ID="")
    bot.graph.page_id = "999"
    code = code_in(at_consent(bot).consent())
    use(bot, code)  # on PAGE
    assert bot.linking.store.find_link(PAGE, PSID) is None
    assert bot.heard.reasons() == ["code_wrong_page"]


# Which browser, which form


def forbidden(bot: Bot, page: TestResponse, status: int = 400) -> None:
    assert page.status_code == status
    assert codes(bot) == 0
    assert "Location" not in page.headers


def test_a_form_without_its_cookie_is_refused(bot: Bot) -> None:
    form = at_consent(bot).form("consent")
    forbidden(bot, bot.browser().post("/linking/consent", form.fields))


def test_a_form_with_another_browsers_cookie_is_refused(bot: Bot) -> None:
    form = at_consent(bot).form("consent")
    other = at_consent(bot, OTHER_TOKEN)
    forbidden(bot, other.post("/linking/consent", form.fields))


@pytest.mark.parametrize("form", ["login", "cancel"])
def test_the_sign_in_page_of_another_browser_is_refused(bot: Bot, site: Site, form: str) -> None:
    mine, other = bot.browser(), bot.browser()
    fields = (mine.open(), mine.form(form).fields)[1]
    other.open()
    page = other.post(f"/linking/{form}", fields | {"username": "ada", "password": "lovelace-1815"})
    forbidden(bot, page)
    assert not site.asked


@pytest.mark.parametrize("where", ["first", "middle", "last", "cut", "empty", "missing", "long"])
@pytest.mark.parametrize("form", ["consent", "switch", "cancel"])
def test_a_tampered_ticket_is_refused(bot: Bot, where: str, form: str) -> None:
    browser = at_consent(bot)
    ticket = browser.form(form).fields["ticket"]
    middle = len(ticket) // 3
    changed = {
        "first": ("B" if ticket[0] != "B" else "C") + ticket[1:],
        "middle": ticket[:middle] + ("B" if ticket[middle] != "B" else "C") + ticket[middle + 1 :],
        "last": ticket[:-3] + "AAA", "cut": ticket.rpartition(".")[0], "empty": "", "missing": None,
        "long": "x" * 10_000,
    }[where]  # fmt: skip
    forbidden(bot, browser.post(f"/linking/{form}", {"ticket": changed} if changed is not None else {}))


def test_a_sign_in_ticket_is_no_consent(bot: Bot) -> None:
    browser = bot.browser()
    browser.open()
    early = browser.form("login").fields
    browser.sign_in()
    forbidden(bot, browser.post("/linking/consent", early))


def test_a_ticket_of_another_key_is_refused_and_one_of_an_older_key_is_good(new_bot: NewBot) -> None:
    old = new_bot(SECRET_KEY="an-older-signing-key")
    browser = at_consent(old)
    fields = browser.form("consent").fields
    session = browser.client.get_cookie("__Host-bot_linking_session", domain="bot.example")
    assert session is not None

    def press(bot: Bot) -> int:
        other = bot.browser()
        other.client.set_cookie(session.key, session.value, domain="bot.example")
        return other.post("/linking/consent", fields).status_code

    assert press(new_bot(SECRET_KEY="a-newer-signing-key")) == 400
    assert press(new_bot(SECRET_KEY=["a-newer-signing-key", "an-older-signing-key"])) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "evil"},
        {"Origin": "https://evil.example"}, {"Origin": "http://bot.example"}, {"Origin": "https://bot.example.evil"},
        {"Origin": "https://bot.example:8443"}, {"Origin": ""},
        {"Origin": "https://bot.example", "Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("form", ["consent", "switch", "cancel"])
def test_a_form_that_comes_from_elsewhere_is_refused(bot: Bot, headers: dict[str, str], form: str) -> None:
    browser = at_consent(bot)
    forbidden(bot, browser.submit(form, headers), 403)
    assert bot.heard.reasons() == ["cross_site"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": SITE},
        {"Origin": SITE, "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    ],
    ids=str,
)
def test_a_form_of_our_own_is_taken_as_browsers_send_it(bot: Bot, headers: dict[str, str]) -> None:
    """Pages without a referrer send `Origin: null`."""
    assert at_consent(bot).submit("consent", headers).status_code == 200


@pytest.mark.parametrize("public_url", ["https://BOT.example", "https://bot.example:443"])
def test_the_origin_of_our_own_is_known_however_the_public_url_spells_it(
    new_bot: NewBot, public_url: str
) -> None:
    bot = new_bot(PUBLIC_URL=public_url)
    browser = at_consent(bot)
    assert browser.submit("consent", {"Origin": "https://bot.example"}).status_code == 200


# Another account, or none


def test_another_account_starts_the_same_login_again_without_the_first(bot: Bot) -> None:
    browser = at_consent(bot)
    first = browser.form("consent").fields
    browser.submit("switch")
    assert browser.page.status_code == 303
    browser.follow()
    assert browser.form("login")
    browser.sign_in("grace", "hopper-1906")
    assert "grace" in browser.page.text
    use(bot, code_in(browser.consent()))
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == "2"
    assert browser.post("/linking/consent", first).status_code == 400


def test_cancel_on_the_sign_in_page_goes_back_without_a_code(bot: Bot) -> None:
    browser = bot.browser()
    browser.open()
    gone_back(bot, browser.submit("cancel"))


def test_cancel_after_a_wrong_password_goes_back_without_a_code(bot: Bot) -> None:
    browser = bot.browser()
    browser.open()
    browser.submit("login", username="ada", password="wrong")
    browser.follow()
    gone_back(bot, browser.submit("cancel"))


def test_cancel_on_the_sign_up_page_goes_back_without_a_code(new_bot: NewBot, site: Site) -> None:
    bot = new_bot(create_account=site.create_account)
    browser = bot.browser()
    browser.get(f"/linking/signup?account_linking_token={TOKEN}&redirect_uri={return_url()}")
    gone_back(bot, browser.submit("cancel"))


def test_cancel_on_the_consent_page_goes_back_without_a_code_and_ends_the_login(bot: Bot) -> None:
    browser = at_consent(bot)
    consent, location = browser.form("consent").fields, browser.location
    gone_back(bot, browser.submit("cancel"))
    assert "ada" not in repr(bot.rows()["attempts"])
    left = browser.get(location)
    assert left.status_code == 400
    assert "Nothing was connected" in left.text
    forbidden(bot, browser.post("/linking/consent", consent))


def test_cancel_pressed_again_leads_back_again(bot: Bot) -> None:
    """The first answer may have been lost. No other form of the attempt is taken any more."""
    browser = at_consent(bot)
    consent, cancel = browser.form("consent").fields, browser.form("cancel").fields
    gone_back(bot, browser.submit("cancel"))
    page = browser.post("/linking/cancel", cancel)
    assert (page.status_code, page.headers["Location"]) == (303, return_url())
    forbidden(bot, browser.post("/linking/consent", consent))


def gone_back(bot: Bot, page: TestResponse) -> None:
    assert page.status_code == 303
    assert page.headers["Location"] == return_url()
    assert NO_CODE not in page.headers["Location"]
    assert codes(bot) == 0
    (cancelled,) = bot.heard.of("LoginCancelled")
    assert (cancelled.page_id, cancelled.psid) == (PAGE, PSID)


@pytest.mark.parametrize("fault", ["down", "expired"])
def test_cancel_goes_back_though_messenger_does_not_say_who_it_was(bot: Bot, fault: str) -> None:
    bot.graph.down = fault == "down"
    if fault == "expired":
        del bot.graph.owners[TOKEN]
    browser = bot.browser()
    browser.open()
    page = browser.submit("cancel")
    assert (page.status_code, page.headers["Location"]) == (303, return_url())
    assert bot.heard.of("LoginCancelled")[0].psid is None


def test_cancelling_leaves_an_existing_link_as_it_is(bot: Bot) -> None:
    bot.link()
    at_consent(bot).submit("cancel")
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == "1"


def test_a_login_that_is_not_finished_leaves_an_existing_link_as_it_is(bot: Bot) -> None:
    bot.link()
    browser = bot.browser()
    browser.open()
    browser.sign_in("grace", "hopper-1906")
    browser.consent()
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == "1"


# Cookies


def cookies_of(page: TestResponse) -> dict[str, str]:
    return {line.partition("=")[0]: line.partition(";")[2] for line in page.headers.getlist("Set-Cookie")}


@pytest.mark.parametrize(
    ("public_url", "prefix", "secure"),
    [("https://bot.example", "__Host-", True), ("http://127.0.0.1:5000", "", False)],
    ids=["https", "http"],
)
def test_cookies_are_for_this_host_this_browser_and_no_script(
    new_bot: NewBot, public_url: str, prefix: str, secure: bool
) -> None:
    browser = new_bot(PUBLIC_URL=public_url).browser()
    entered = cookies_of(browser.open())
    signed_in = cookies_of(browser.submit("login", username="ada", password="lovelace-1815"))
    assert set(entered) == {f"{prefix}bot_linking"}
    assert set(signed_in) == {f"{prefix}bot_linking_session"}
    for flags in (*entered.values(), *signed_in.values()):
        assert "HttpOnly" in flags
        assert "SameSite=Lax" in flags
        assert "Path=/" in flags
        assert "Domain" not in flags
        assert ("Secure" in flags) is secure


def test_each_sign_in_has_a_session_of_its_own_and_the_old_one_is_dead(bot: Bot) -> None:
    def session(browser: Browser) -> str:
        cookie = browser.client.get_cookie("__Host-bot_linking_session", domain="bot.example")
        assert cookie is not None
        return cookie.value

    browser = at_consent(bot)
    first, consent = session(browser), browser.form("consent").fields
    browser.submit("switch")
    browser.follow()
    browser.sign_in()
    assert session(browser) != first
    stale = bot.browser()
    stale.client.set_cookie("__Host-bot_linking_session", first, domain="bot.example")
    assert stale.post("/linking/consent", consent).status_code == 400


def test_a_session_that_was_planted_is_not_taken_over(bot: Bot) -> None:
    browser = bot.browser()
    browser.client.set_cookie("__Host-bot_linking_session", "planted", domain="bot.example")
    browser.open()
    browser.sign_in()
    cookie = browser.client.get_cookie("__Host-bot_linking_session", domain="bot.example")
    assert cookie is not None
    assert cookie.value != "planted"
    assert len(cookie.value) >= 32


def test_the_store_keeps_no_session(bot: Bot) -> None:
    browser = at_consent(bot)
    cookie = browser.client.get_cookie("__Host-bot_linking_session", domain="bot.example")
    assert cookie is not None
    assert cookie.value not in repr(bot.rows())


# Somebody who is signed in at the site already


@pytest.fixture
def known(new_bot: NewBot, site: Site) -> Bot:
    site.signed_in = ADA
    return new_bot(authenticate=None, current_account=site.current_account)


def test_a_session_of_the_site_leads_to_the_consent_and_stores_nothing(known: Bot) -> None:
    before = known.rows()
    browser = known.browser()
    page = browser.open()
    assert "ada@example.com" in page.text
    assert browser.form("consent")
    assert known.rows() == before


def test_its_consent_links(known: Bot) -> None:
    browser = known.browser()
    browser.open()
    use(known, code_in(browser.consent()))
    link = known.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == "1"


def test_its_code_is_bound_to_the_person_too(known: Bot) -> None:
    browser = known.browser()
    browser.open()
    use(known, code_in(browser.consent()), psid=OTHER_PSID)
    assert known.linking.link_of(OTHER_PSID) is None


@pytest.mark.parametrize("later", [GRACE, None], ids=["another account", "signed out"])
def test_an_account_that_changed_since_the_page_was_shown_is_refused(
    known: Bot, site: Site, later: Any
) -> None:
    browser = known.browser()
    browser.open()
    site.signed_in = later
    forbidden(known, browser.submit("consent"))


def test_the_consent_of_a_session_needs_the_browser_that_it_was_shown_to(known: Bot) -> None:
    browser = known.browser()
    browser.open()
    form = browser.form("consent")
    forbidden(known, known.browser().post("/linking/consent", form.fields))


def test_a_session_may_decline_and_that_is_told(known: Bot) -> None:
    browser = known.browser()
    browser.open()
    gone_back(known, browser.submit("cancel"))


def test_nobody_is_sent_to_the_site_first_when_it_has_no_login_page(known: Bot, site: Site) -> None:
    site.signed_in = None
    page = known.browser().open()
    assert page.status_code == 200
    assert "Please log in at" in page.text
    assert 'name="password"' not in page.text


def test_another_account_passes_over_the_sites_session(new_bot: NewBot, site: Site) -> None:
    site.signed_in = ADA
    bot = new_bot(current_account=site.current_account)
    browser = bot.browser()
    browser.open()
    browser.submit("switch")
    browser.follow()
    browser.sign_in("grace", "hopper-1906")
    use(bot, code_in(browser.consent()))
    link = bot.linking.link_of(PSID)
    assert link is not None
    assert link.account_id == "2"


def test_without_a_password_of_ours_nobody_can_post_one(known: Bot, site: Site) -> None:
    browser = known.browser()
    browser.open()
    fields = browser.form("cancel").fields
    page = browser.post("/linking/login", fields | {"username": "ada", "password": "lovelace-1815"})
    assert page.status_code == 400
    assert not site.asked


@pytest.mark.parametrize("login_url", ["/account/login?next={next}", "https://id.example/?back={next}&x=1"])
def test_the_sites_own_login_page_leads_there_and_back(new_bot: NewBot, site: Site, login_url: str) -> None:
    from urllib.parse import parse_qsl, urlsplit

    bot = new_bot(authenticate=None, current_account=site.current_account, LOGIN_URL=login_url)
    browser = bot.browser()
    page = browser.open()
    assert page.status_code == 303
    away = page.headers["Location"]
    assert away.startswith(login_url.partition("{")[0])
    back = dict(parse_qsl(urlsplit(away).query)).get("next") or dict(parse_qsl(urlsplit(away).query))["back"]
    assert back.startswith(f"{SITE}/linking/login?")
    site.signed_in = ADA
    parts = urlsplit(back)
    browser.get(f"{parts.path}?{parts.query}")
    target = browser.consent()
    assert target.startswith(return_url() + "&authorization_code=")
    use(bot, code_in(target))
    assert bot.linking.link_of(PSID) is not None


def test_who_comes_back_from_the_sites_login_without_one_is_not_sent_round_in_circles(
    new_bot: NewBot, site: Site
) -> None:
    bot = new_bot(
        authenticate=None, current_account=site.current_account, LOGIN_URL="/account/login?next={next}"
    )
    page = bot.browser().open(returned="1")
    assert page.status_code == 200
    assert "/account/login?next=" in page.text


def test_with_a_password_of_ours_the_sites_login_page_is_offered_beside_it(
    new_bot: NewBot, site: Site
) -> None:
    bot = new_bot(current_account=site.current_account, LOGIN_URL="/account/login?next={next}")
    page = bot.browser().open()
    assert page.status_code == 200
    assert 'name="password"' in page.text
    assert "/account/login?next=https%3A%2F%2Fbot.example%2Flinking%2Flogin" in page.text
