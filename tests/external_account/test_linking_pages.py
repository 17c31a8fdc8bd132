"""The second factor on the linking pages: it stands between password and consent, and cannot be passed
over."""

from __future__ import annotations

import pyotp
import pytest

from bot_linking.external_account import ExternalAccount
from tests.bots import Bot, NewBot
from tests.browser import Browser
from tests.people import ADA, Site
from tests.wire import OTHER_TOKEN

from .shop import KEYS, Authenticator


@pytest.fixture
def bot(new_bot: NewBot) -> Bot:
    return new_bot(EXTERNAL_KEYS=KEYS)


@pytest.fixture
def external(bot: Bot) -> ExternalAccount:
    return beside(bot)


def beside(bot: Bot) -> ExternalAccount:
    external = ExternalAccount(bot.linking)
    bot.app.register_blueprint(external.blueprint)
    external.create_app("shop")
    return external


@pytest.fixture
def authenticator(bot: Bot, external: ExternalAccount) -> Authenticator:
    return enrol(bot, external)


def enrol(bot: Bot, external: ExternalAccount) -> Authenticator:
    enrolment = external.enable_two_factor("shop", 1)
    return Authenticator(pyotp.parse_uri(enrolment.address), bot.clock, enrolment.recovery_codes)  # type: ignore[arg-type]


def waiting(bot: Bot, token: str | None = None) -> Browser:
    """A browser that has given Ada's password and is asked for the code."""
    browser = bot.browser()
    browser.open(*([token] if token else []))
    assert 'autocomplete="one-time-code"' in browser.sign_in().text
    return browser


def is_refused(browser: Browser, code: str) -> None:
    """A wrong code leads back to the same page, which says so."""
    browser.submit("second-factor", code=code)
    assert browser.page.status_code == 303
    assert "Wrong code" in browser.follow().text
    assert browser.form("second-factor")


def test_an_account_without_one_is_not_asked(bot: Bot, external: ExternalAccount) -> None:
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    assert browser.consent()


def test_a_wrong_password_is_refused_before_any_code(bot: Bot, authenticator: Authenticator) -> None:
    browser = bot.browser()
    browser.open()
    assert "Wrong user name" in browser.sign_in(password="byron-1788").text
    assert "one-time-code" not in browser.page.text


def test_the_password_alone_opens_no_consent(bot: Bot, authenticator: Authenticator) -> None:
    """Neither the consent's address nor its form, sent with this page's ticket and cookies, leads past the
    code."""
    browser = waiting(bot)
    asked = browser.location
    attempt_id = asked.rpartition("/")[2]
    ticket = browser.form("second-factor").fields["ticket"]
    browser.get(f"/linking/consent/{attempt_id}")
    assert browser.follow().status_code == 200
    assert browser.location == asked
    assert (
        browser.post("/linking/consent", {"ticket": ticket}).headers["Location"]
        == f"second-factor/{attempt_id}"
    )
    assert bot.rows()["codes"] == []


def test_a_code_leads_to_the_consent_and_works_once(bot: Bot, authenticator: Authenticator) -> None:
    browser, second = waiting(bot), waiting(bot, OTHER_TOKEN)
    code = authenticator.code()
    assert browser.submit("second-factor", code=f" {code} ").status_code == 303
    browser.follow()
    assert browser.consent()
    is_refused(second, code)
    assert second.submit("second-factor", code=authenticator.code(1)).status_code == 303
    assert second.follow().status_code == 200
    assert second.consent()


@pytest.mark.parametrize(
    "typed",
    ["{0} {1}", "{0}-{1}", "{0}\u2009{1}", "\u2068{0}{1}\u2069", "{0}\u200b{1}\n", "{0}.{1}"],
    ids=ascii,
)
def test_a_code_is_taken_as_apps_show_it(bot: Bot, authenticator: Authenticator, typed: str) -> None:
    browser, code = waiting(bot), authenticator.code()
    browser.submit("second-factor", code=typed.format(code[:3], code[3:]))
    browser.follow()
    assert browser.consent()


@pytest.mark.parametrize("zero", ["\u0660", "\u06f0", "\u0966", "\uff10"], ids=ascii)
def test_a_code_is_taken_in_the_digits_of_the_keyboard(
    bot: Bot, authenticator: Authenticator, zero: str
) -> None:
    browser = waiting(bot)
    browser.submit(
        "second-factor", code="".join(chr(ord(zero) + int(digit)) for digit in authenticator.code())
    )
    browser.follow()
    assert browser.consent()


def test_a_recovery_code_does_in_place_of_the_phone(bot: Bot, authenticator: Authenticator) -> None:
    browser = waiting(bot)
    code = authenticator.recovery_codes[0]
    assert browser.submit("second-factor", code=code.upper()).status_code == 303
    again = waiting(bot)
    is_refused(again, code)


def test_the_limit_is_shared_with_every_other_way_in(bot: Bot, authenticator: Authenticator) -> None:
    headers = {"Authorization": f"Bearer {ExternalAccountOf(bot).create_back_end_token('shop')}"}
    user = ExternalAccountOf(bot).create_token("shop", 1)
    pair = {"unionID": "u", "platform": "p"}
    client = bot.client()
    client.post("/ExternalAccount/shop", json=pair, headers={"Authorization": f"Bearer {user}"})
    wrong = pair | {"twoFactorCode": authenticator.wrong()}
    for _ in range(3):
        assert client.post("/ExternalAccount/shop/SignIn", json=wrong, headers=headers).status_code == 401
    browser = waiting(bot)
    for _ in range(2):
        is_refused(browser, authenticator.wrong())
    page = browser.submit("second-factor", code=authenticator.code())
    assert page.status_code == 429
    assert "15" in page.text
    assert int(page.headers["Retry-After"]) == 900
    right = pair | {"twoFactorCode": authenticator.code()}
    assert client.post("/ExternalAccount/shop/SignIn", json=right, headers=headers).status_code == 429


def ExternalAccountOf(bot: Bot) -> ExternalAccount:
    external = bot.app.extensions["bot_linking_external_account"]
    assert isinstance(external, ExternalAccount)
    return external


def test_a_locked_one_says_that_a_recovery_code_helps(bot: Bot, authenticator: Authenticator) -> None:
    for _ in range(4):
        browser = waiting(bot)
        for _ in range(5):
            is_refused(browser, "000000")
        bot.clock.advance(901)
    browser = waiting(bot)
    assert browser.submit("second-factor", code=authenticator.code()).status_code == 303
    assert "Use one of your recovery codes" in browser.follow().text
    assert browser.submit("second-factor", code=authenticator.recovery_codes[0]).status_code == 303


def test_the_page_of_one_browser_is_of_no_use_in_another(bot: Bot, authenticator: Authenticator) -> None:
    victim = waiting(bot)
    form = victim.form("second-factor")
    stranger = bot.browser()
    stranger.open()
    assert stranger.post(form.action, {**form.fields, "code": authenticator.code()}).status_code == 400
    assert stranger.get(victim.location).status_code == 400


def test_a_person_can_leave_at_the_code(bot: Bot, authenticator: Authenticator) -> None:
    browser = waiting(bot)
    location = browser.location
    page = browser.submit("cancel")
    assert page.status_code == 303
    assert "authorization_code" not in page.headers["Location"]
    assert browser.get(location).status_code == 400


def test_a_login_that_waits_for_a_code_ends_with_drop_pending(bot: Bot, authenticator: Authenticator) -> None:
    browser = waiting(bot)
    bot.linking.drop_pending("1")
    assert browser.submit("second-factor", code=authenticator.code()).status_code == 400


def test_a_session_of_the_site_does_not_stand_in_for_the_code(new_bot: NewBot, site: Site) -> None:
    bot = new_bot(EXTERNAL_KEYS=KEYS, current_account=site.current_account)
    authenticator = enrol(bot, beside(bot))
    site.signed_in = ADA
    browser = bot.browser()
    page = browser.open()
    assert "one-time-code" in page.text
    ticket = browser.form("second-factor").fields["ticket"]
    answer = browser.post("/linking/consent", {"ticket": ticket})
    assert answer.headers["Location"].startswith("second-factor/")
    assert bot.rows()["codes"] == []
    browser.open()
    assert browser.submit("second-factor", code=authenticator.code()).status_code == 303
    browser.follow()
    assert browser.consent()


def test_without_the_key_the_page_is_busy_rather_than_open(
    bot: Bot, external: ExternalAccount, authenticator: Authenticator
) -> None:
    from bot_linking.external_account.two_factor import Vault

    browser = waiting(bot)
    external._here().second_factors._vault = Vault([])
    assert browser.submit("second-factor", code=authenticator.code()).status_code == 503


def test_a_second_factor_of_an_application_that_gets_no_links_guards_nothing_here(new_bot: NewBot) -> None:
    bot = new_bot(EXTERNAL_KEYS=KEYS, EXTERNAL_APP="acme")
    enrol(bot, beside(bot))
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    assert browser.consent()


def test_the_page_speaks_chinese(bot: Bot, authenticator: Authenticator) -> None:
    browser = bot.browser()
    browser.headers["Accept-Language"] = "zh-CN"
    browser.open()
    assert "验证码" in browser.sign_in().text
