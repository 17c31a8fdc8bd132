"""The fields of the forms: their keyboards, their names, and where the links beside them lead."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

from bot_linking import Account
from tests.bots import Bot, NewBot
from tests.browser import Browser
from tests.webview.guarded import Guarded, guarded
from tests.webview.test_templates import Reading


@pytest.fixture
def world(new_bot: NewBot) -> Guarded:
    return guarded(new_bot, "1")


def at_code(bot: Bot) -> Browser:
    browser = bot.browser()
    browser.open()
    browser.sign_in()
    assert "/second-factor/" in browser.location
    return browser


def reading(browser: Browser) -> Reading:
    return Reading(browser.page.text)


def follow_link(browser: Browser, words: str) -> Reading:
    (link,) = [each for each in reading(browser).all("a") if each.text.strip() == words]
    browser.get(urljoin(browser.location, str(link.attributes["href"])))
    return reading(browser)


# The second factor


def test_the_code_has_the_keyboard_of_digits_and_a_recovery_code_that_of_letters(world: Guarded) -> None:
    browser = at_code(world.bot)
    field = reading(browser).one("input", name="code")
    assert (field.attributes["inputmode"], field.attributes["enterkeyhint"]) == ("numeric", "go")
    assert field.attributes["autocomplete"] == "one-time-code"
    other = follow_link(browser, "Use a recovery code").one("input", name="code")
    assert "inputmode" not in other.attributes
    back = follow_link(browser, "Use the code from your app").one("input", name="code")
    assert back.attributes["inputmode"] == "numeric"


def test_a_wrong_recovery_code_is_said_beside_the_field_for_one(world: Guarded) -> None:
    """On each visit to the address. Beside the other field the error would be false."""
    browser = at_code(world.bot)
    follow_link(browser, "Use a recovery code")
    browser.submit("second-factor", code="wrong-wrong")
    browser.follow()
    for _ in range(2):
        page = reading(browser)
        assert "Wrong recovery code" in page.one("p", role="alert").text
        assert "inputmode" not in page.one("input", name="code").attributes
        browser.get(browser.location)
    assert not follow_link(browser, "Use the code from your app").all("p", role="alert")


def test_either_kind_of_code_is_taken_by_either_form(world: Guarded) -> None:
    browser = at_code(world.bot)
    follow_link(browser, "Use a recovery code")
    browser.submit("second-factor", code=world.codes.code_of("1"))
    browser.follow()
    assert browser.consent()


def test_a_person_of_the_sites_own_session_finds_the_field_for_a_recovery_code(new_bot: NewBot) -> None:
    """The store does not keep the attempt yet, so the link repeats what Messenger opened the page with."""
    ada = Account("1", username="ada", email="ada@example.com")
    world = guarded(new_bot, "1", current_account=lambda: ada)
    browser = world.bot.browser()
    browser.open()
    assert "Enter your code" in browser.page.text
    page = follow_link(browser, "Use a recovery code")
    assert page.one("h1").text == "Enter a recovery code"
    browser.submit("second-factor", code=world.codes.code_of("1"))
    browser.follow()
    assert browser.consent()


# The name of an account


def test_a_site_of_e_mail_addresses_asks_for_one(new_bot: NewBot) -> None:
    asked: list[tuple[str, str | None]] = []

    def create(username: str, email: str | None, password: str) -> Account:
        asked.append((username, email))
        return Account("9", username=username, email=email)

    bot = new_bot(SIGN_IN_WITH="email", create_account=create)
    browser = bot.browser()
    browser.open()
    field = reading(browser).one("input", name="username")
    assert (field.attributes["type"], field.attributes["autocomplete"]) == ("email", "username email")
    assert reading(browser).one("label", **{"for": "username"}).text == "Email"
    browser.submit("login", username="ada@example.com", password="wrong")
    assert "Wrong email or password." in browser.follow().text
    browser.submit("login", username="", password="wrong")
    assert "Enter your email address." in browser.follow().text
    follow_link(browser, "Create an account")
    assert not reading(browser).all("input", name="email")
    browser.submit("signup", username="hedy@example.com", password="long-enough")
    assert asked == [("hedy@example.com", "hedy@example.com")]


@pytest.mark.parametrize("value", ["phone", "", "EMAIL "])
def test_an_unknown_name_of_accounts_stops_the_start(new_bot: NewBot, value: str) -> None:
    from bot_linking import ConfigurationError

    if value.strip():
        with pytest.raises(ConfigurationError, match="SIGN_IN_WITH"):
            new_bot(SIGN_IN_WITH=value)
    else:
        assert new_bot(SIGN_IN_WITH=value).linking


# The ways beside the forms


def test_the_sites_own_pages_are_linked_where_they_are_set(new_bot: NewBot) -> None:
    site = {
        "FORGOT_URL": "https://shop.example/forgot",
        "PRIVACY_URL": "https://shop.example/privacy",
        "TERMS_URL": "/terms",
    }
    browser = new_bot(**site).browser()
    browser.open()
    links = {each.text.strip(): each.attributes["href"] for each in reading(browser).all("a")}
    assert links["Forgot your password?"] == site["FORGOT_URL"]
    assert links["Privacy"] == site["PRIVACY_URL"]
    assert links["Terms of use"] == site["TERMS_URL"]
    browser.sign_in()
    assert {each.text for each in reading(browser).all("a")} == {"Privacy", "Terms of use"}


def test_without_them_there_are_no_such_links(bot: Bot) -> None:
    browser = bot.browser()
    browser.open()
    assert not reading(browser).all("footer")
    assert "Forgot" not in browser.page.text


@pytest.mark.parametrize("name", ["FORGOT_URL", "PRIVACY_URL", "TERMS_URL"])
@pytest.mark.parametrize("value", ["javascript:alert(1)", "http://shop.example/x", "//evil.example", "x y"])
def test_an_address_that_is_no_page_of_the_site_stops_the_start(
    new_bot: NewBot, name: str, value: str
) -> None:
    from bot_linking import ConfigurationError

    with pytest.raises(ConfigurationError, match=name):
        new_bot(**{name: value})


def test_on_a_larger_screen_the_chat_is_opened_by_a_button_or_a_phones_camera(new_bot: NewBot) -> None:
    browser = new_bot(PAGE_USERNAME="acme.shop").browser()
    browser.get("/linking/login")
    page = reading(browser)
    assert page.one("a").attributes["href"] == "https://m.me/acme.shop"
    label = str(page.one("div", role="img").attributes["aria-label"])
    assert "viewBox" in browser.page.text.partition(label)[2], "the code is an inline picture that scales"
