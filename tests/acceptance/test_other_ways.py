"""Every way beside the Log In button as a person meets it, in a browser: from the first word to the order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.running import RunningBot
from tests.acceptance.test_in_a_browser import WAIT, Chat

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

Open = Callable[..., "Desk"]
ADA = "24680135791357"


class Desk:
    """A person with the chat in one tab and any page in another."""

    def __init__(self, context: BrowserContext, bot: RunningBot) -> None:
        self.context, self.bot = context, bot
        self.chat = Chat(context.new_page())
        self.chat.page.goto(bot.chat_url)
        self.page = context.new_page()

    def sign_in(self, username: str = "ada", password: str = "lovelace-1815") -> None:
        self.page.get_by_label("User name").fill(username, timeout=WAIT)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Log in", exact=True).click()

    def visit(self, path: str) -> Page:
        self.page.goto(path if path.startswith("http") else f"{self.bot.url}{path}")
        return self.page

    def sees(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for(timeout=WAIT)

    def address_in_chat(self, part: str) -> str:
        """The newest address with this in it that the bot has sent."""
        state = self.page.request.get(f"{self.bot.chat_url}simulator/state?psid={ADA}&version=-1").text()
        return str(re.findall(rf'http://[^\s"]*{part}[^\s"]*', state)[-1])


@pytest.fixture
def desk(chromium: Browser, bot: RunningBot) -> Iterator[Open]:
    contexts: list[Any] = []

    def sit_down() -> Desk:
        contexts.append(
            chromium.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
        )
        return Desk(contexts[-1], bot)

    yield sit_down
    for context in contexts:
        context.close()


def test_from_the_site_to_the_chat_by_the_code_that_is_typed(desk: Open) -> None:
    """Log in at the shop, type its code in the chat, and only Connect links; then the mail can undo it."""
    at = desk()
    at.visit("/linking/connect")
    at.sign_in()
    at.sees("Connect Messenger")
    code = re.findall(r"LINK [2-9A-Z]{4}-[2-9A-Z]{4}", at.page.inner_text("body"))[0]
    at.chat.say(code)
    at.chat.sees("Connect this chat with a••@example.com at Acme?")
    at.chat.page.get_by_role("button", name="Connect", exact=True).click(timeout=WAIT)
    at.chat.sees("You are now connected to Acme as ada")
    at.visit("/linking/connections")
    at.sees("Ada Lovelace")
    at.visit(f"{at.bot.chat_url}mailbox")
    at.sees("A chat was linked")
    at.page.locator("a[href*='/linking/undo/']").first.click()
    at.page.get_by_role("button", name="Undo").click(timeout=WAIT)
    at.sees("This was undone")
    at.chat.sees("This chat is disconnected from Acme")
    assert at.bot.flask("show", ADA).returncode == 1
    assert at.chat.problems == []


def test_from_the_chat_to_any_browser_by_the_digits_of_the_page(desk: Open) -> None:
    """Two browsers open the address: the digits that are typed say whose sign-in links."""
    at = desk()
    at.chat.say("link")
    at.chat.sees("Connect this chat in your browser.")
    address = at.address_in_chat("/linking/web/")
    other = desk()
    other.visit(address)
    other.sign_in("grace", "hopper-1906")
    at.visit(address)
    at.sign_in()
    at.page.get_by_role("button", name="Connect", exact=True).click(timeout=WAIT)
    at.sees("Type this number in the chat")
    digits = re.findall(r"\b\d{3} \d{3}\b", at.page.inner_text("body"))
    assert len(digits) == 1
    assert at.bot.flask("show", ADA).returncode == 1
    at.chat.say(digits[0])
    at.chat.sees("You are now connected to Acme as ada")
    at.page.get_by_role("heading", name="Linked").wait_for(timeout=WAIT)
    at.chat.say("orders")
    at.chat.sees("Order 1042")
    at.chat.page.get_by_role("button", name="Log Out", exact=True).last.click(timeout=WAIT)
    at.chat.sees("This chat is disconnected from Acme")
    assert at.bot.flask("show", ADA).returncode == 1
    gone = at.visit(address)
    assert gone.get_by_label("User name").count() == 0
    assert at.chat.problems == []


def test_from_the_menu_the_webview_says_who_it_is(desk: Open) -> None:
    at = desk()
    at.chat.page.get_by_role("button", name="Menu").first.click(timeout=WAIT)
    at.chat.page.get_by_role("button", name="Connect account").click(timeout=WAIT)
    webview = at.chat.webview
    webview.get_by_label("User name").fill("ada", timeout=WAIT)
    webview.get_by_label("Password", exact=True).fill("lovelace-1815")
    webview.get_by_role("button", name="Log in", exact=True).click()
    webview.get_by_role("button", name="Connect", exact=True).click(timeout=WAIT)
    at.chat.sees("You are now connected to Acme as ada")
    assert '"menu"' in at.bot.flask("history", ADA, "--json").stdout
    at.chat.page.get_by_role("button", name="Log Out", exact=True).last.click(timeout=WAIT)
    at.chat.sees("This chat is disconnected from Acme")
    assert (at.chat.problems, at.chat.foreign) == ([], [])
