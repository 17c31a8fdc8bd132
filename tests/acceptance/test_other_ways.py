"""Every way beside the Log In button in a browser, on both stores, from the first word to the order. What
was forwarded, sent, scanned or replayed links nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pyotp
import pytest

from example_bot.site_api import DEMO_SECRET
from tests import postgres
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
        """The newest address that the bot has sent and that contains this."""
        state = self.page.request.get(f"{self.bot.chat_url}simulator/state?psid={ADA}&version=-1").text()
        return str(re.findall(rf'http://[^\s"]*{part}[^\s"]*', state)[-1])


@pytest.fixture(params=["postgres", "sqlite"])
def bot(request: pytest.FixtureRequest, start_bot: Callable[..., RunningBot]) -> Iterator[RunningBot]:
    """The example bot, with a database of this kind."""
    if request.param == "sqlite":
        yield start_bot()
        return
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    with postgres.empty_schema() as url:
        running = start_bot(BOT_LINKING_DATABASE=url)
        yield running
        running.process.terminate()
        running.process.wait(60)


@pytest.fixture
def desk(chromium: Browser, bot: RunningBot) -> Iterator[Open]:
    contexts: list[Any] = []

    def sit_down() -> Desk:
        contexts.append(chromium.new_context(viewport={"width": 1200, "height": 900}))
        return Desk(contexts[-1], bot)

    yield sit_down
    for context in contexts:
        context.close()


def test_from_the_site_to_the_chat_by_the_code_that_is_typed(desk: Open) -> None:
    """Log in at the shop and type its code in the chat; only Connect links, and the mail can undo it."""
    at = desk()
    at.visit("/linking/connect")
    at.sign_in()
    at.sees("Connect Messenger")
    code = re.findall(r"LINK [2-9A-Z]{4}-[2-9A-Z]{4}", at.page.inner_text("body"))[0]
    at.chat.say(code)
    at.chat.sees("Connect this chat with a••@example.com at Acme?")
    at.chat.page.get_by_role("button", name="Connect", exact=True).click(timeout=WAIT)
    at.chat.sees("You are now connected to Acme as ada")
    at.chat.say("orders")
    at.chat.sees("Order 1042")
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
    """Two browsers open the address; the digits that are typed decide whose sign-in links."""
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
    at.chat.say("orders")
    at.chat.sees("Log in to see your orders.")
    at.chat.page.get_by_role("button", name="Menu").first.click(timeout=WAIT)
    at.chat.page.get_by_role("button", name="Connect account").click(timeout=WAIT)
    webview = at.chat.webview
    webview.get_by_label("User name").fill("ada", timeout=WAIT)
    webview.get_by_label("Password", exact=True).fill("lovelace-1815")
    webview.get_by_role("button", name="Log in", exact=True).click()
    webview.get_by_role("button", name="Connect", exact=True).click(timeout=WAIT)
    at.chat.sees("You are now connected to Acme as ada")
    at.chat.sees("Order 1042")
    assert '"menu"' in at.bot.flask("history", ADA, "--json").stdout
    at.chat.page.get_by_role("button", name="Log Out", exact=True).last.click(timeout=WAIT)
    at.chat.sees("This chat is disconnected from Acme")
    assert (at.chat.problems, at.chat.foreign) == ([], [])


def test_what_is_forwarded_sent_scanned_or_replayed_links_nobody(desk: Open) -> None:
    at, stranger = desk(), desk()
    replayed = signed_by_the_menu(at)
    at.chat.page.get_by_role("button", name="Log Out", exact=True).last.click(timeout=WAIT)
    at.chat.sees("This chat is disconnected from Acme")
    send_again(stranger, replayed)
    stranger.sees("Messenger could not tell us who you are")
    assert stranger.page.get_by_label("User name").count() == 0
    # A web link of Ada's chat, which a stranger goes through to the end: the chat never says the digits.
    at.chat.say("link")
    at.chat.sees("Connect this chat in your browser.")
    stranger.visit(at.address_in_chat("/linking/web/"))
    stranger.sign_in()
    stranger.page.get_by_role("button", name="Connect", exact=True).click(timeout=WAIT)
    stranger.sees("Type this number in the chat")
    # An address that the stranger made for their own account, and sent to Ada, who opens it: she is asked.
    sent = address_to_the_chat(stranger, "grace", "hopper-1906", pyotp.TOTP(DEMO_SECRET).now())
    open_as(at, sent, "Ada Lovelace")
    asked(at).get_by_text("Connect this chat with g••@example.com at Acme?").wait_for(timeout=WAIT)
    # The code on Ada's screen, which a stranger scans: their chat is asked, and says nothing yet.
    stolen = address_to_the_chat(at, "ada", "lovelace-1815")
    open_as(stranger, stolen, "Somebody new")
    stranger.page.get_by_role("button", name="Get Started", exact=True).click(timeout=WAIT)
    asked(stranger).get_by_text("Connect this chat with a••@example.com at Acme?").wait_for(timeout=WAIT)
    assert at.bot.flask("links").stdout == ""


def signed_by_the_menu(at: Desk) -> str:
    """Link by the menu; returns what Messenger signed for it."""
    sent = list[str]()
    at.context.on(
        "request", lambda each: sent.append(each.post_data or "") if each.method == "POST" else None
    )
    at.chat.page.get_by_role("button", name="Menu").first.click(timeout=WAIT)
    at.chat.page.get_by_role("button", name="Connect account").click(timeout=WAIT)
    at.chat.sign_in()
    at.chat.press("Connect")
    at.chat.sees("You are now connected to Acme as ada")
    return next(parse_qs(body)["signed_request"][0] for body in sent if "signed_request=" in body)


def send_again(stranger: Desk, signed: str) -> None:
    page = stranger.visit("/linking/menu")
    with page.expect_navigation():
        page.evaluate(
            """signed => {
                const form = document.getElementById("context");
                form.elements.signed_request.value = signed;
                form.submit();
            }""",
            signed,
        )


def address_to_the_chat(desk: Desk, username: str, password: str, code: str = "") -> str:
    """The site's address for the customer who is signed in, as its QR code shows it."""
    desk.context.clear_cookies()
    desk.visit("/linking/connect")
    desk.sign_in(username, password)
    if code:
        desk.page.get_by_label("Code").fill(code, timeout=WAIT)
        desk.page.get_by_role("button", name="Continue", exact=True).click()
    address = desk.page.locator("a[href*='ref=bl.']").first.get_attribute("href", timeout=WAIT)
    assert address is not None
    return address


def open_as(desk: Desk, address: str, name: str) -> None:
    here = address.replace("https://m.me/", f"{desk.bot.chat_url}m.me/")
    desk.visit(here).get_by_role("button", name=name, exact=True).click(timeout=WAIT)


def asked(desk: Desk) -> Any:
    """The chat to which an address has led."""
    return desk.page.get_by_role("log")
