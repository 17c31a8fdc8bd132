"""The whole flow in a browser, at a phone's width, in the simulator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyotp
import pytest

from example_bot.site_api import DEMO_SECRET
from tests.acceptance.running import RunningBot

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FrameLocator, Locator, Page

WAIT = 60_000
Open = Callable[..., "Chat"]


class Chat:
    """What a person does in the chat page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.foreign: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self._note(message))
        page.on("request", lambda request: self._look(request.url))

    def _note(self, message: Any) -> None:
        if (
            message.type == "error"
            and "status of 4" not in message.text
            and "status of 5" not in message.text
        ):
            self.problems.append(message.text)

    def _look(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "data:", "blob:", "about:")):
            self.foreign.append(url)

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def webview(self) -> FrameLocator:
        return self.page.frame_locator("#webview-frame")

    def say(self, text: str) -> None:
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.get_by_role("button", name="Send").click()

    def tap(self, label: str) -> None:
        self.log.get_by_role("button", name=label, exact=True).last.click(timeout=WAIT)

    def switch(self, name: str) -> None:
        """Flip one of the faults, wherever this screen shows the panel."""
        toggle = self.page.get_by_role("button", name="Wire and faults")
        if toggle.is_visible():
            toggle.click()
        self.page.get_by_role("switch", name=name, exact=True).click()
        if toggle.is_visible():
            toggle.click()

    def sign_in(self, username: str = "ada", password: str = "lovelace-1815") -> None:
        self.webview.get_by_label("User name").fill(username, timeout=WAIT)
        self.webview.get_by_label("Password").fill(password)
        self.webview.get_by_role("button", name="Log in", exact=True).click()

    def press(self, label: str) -> None:
        self.webview.get_by_role("button", name=label, exact=True).click(timeout=WAIT)

    def sees(self, text: str, times: int = 1) -> None:
        self.log.get_by_text(text).nth(times - 1).wait_for(timeout=WAIT)

    def count(self, text: str) -> int:
        return self.log.get_by_text(text).count()


@pytest.fixture
def chat_of(chromium: Browser, bot: RunningBot) -> Iterator[Open]:
    """Open the running bot's chat page, at a width and in a colour scheme."""
    contexts = []

    def open_chat(width: int = 390, scheme: Any = "light", **options: Any) -> Chat:
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, **options
        )
        contexts.append(context)
        chat = Chat(context.new_page())
        chat.page.goto(bot.chat_url)
        return chat

    yield open_chat
    for context in contexts:
        context.close()


def test_a_person_logs_in_is_answered_and_logs_out(chat_of: Open, bot: RunningBot) -> None:
    """From the tap on Log In to the confirmation and the answer of the interrupted question, and out
    again."""
    chat = chat_of(390)
    chat.say("orders")
    chat.sees("Log in to see your orders.")
    chat.tap("Log In")
    chat.sign_in()
    chat.webview.get_by_role("listitem").first.wait_for(timeout=WAIT)
    account, profile = chat.webview.get_by_role("listitem").all()
    assert "ada" in account.inner_text()
    assert "Acme" in account.inner_text()
    assert "Ada Lovelace" in profile.inner_text()
    chat.press("Connect")
    chat.sees("You are now connected to Acme as ada")
    chat.sees("Order 1042")
    assert bot.flask("show", "24680135791357").returncode == 0
    chat.tap("Log Out")
    chat.sees("This chat is disconnected from Acme")
    assert bot.flask("show", "24680135791357").returncode == 1
    chat.say("orders")
    chat.sees("Log in to see your orders.", times=2)
    assert (chat.count("You are now connected"), chat.count("This chat is disconnected")) == (1, 1)
    assert (chat.problems, chat.foreign) == ([], [])


def test_a_declined_login_leaves_the_bot_usable_and_does_not_nag(chat_of: Open, bot: RunningBot) -> None:
    chat = chat_of()
    chat.say("orders")
    chat.tap("Log In")
    chat.press("Cancel")
    chat.sees("No problem. Ask me again whenever you like.")
    chat.say("help")
    chat.sees("I can tell you about your orders")
    assert chat.count("Log in to see your orders.") == 1
    assert bot.flask("show", "24680135791357").returncode == 1


def test_a_stranger_creates_an_account_inside_the_flow(chat_of: Open) -> None:
    chat = chat_of(320)
    chat.say("points")
    chat.tap("Log In")
    chat.webview.get_by_role("link", name="Create an account").click(timeout=WAIT)
    chat.webview.get_by_label("Email (optional)").wait_for(timeout=WAIT)
    chat.webview.get_by_label("User name").fill("hedy")
    chat.webview.get_by_label("Password").fill("frequency-hopping")
    chat.webview.get_by_role("button", name="Create account").click()
    chat.press("Connect")
    chat.sees("You are now connected to Acme as hedy")
    chat.sees("You have 0 points, hedy.")


def test_another_account_can_be_chosen_on_the_consent_page(chat_of: Open) -> None:
    chat = chat_of()
    chat.say("points")
    chat.tap("Log In")
    chat.sign_in()
    chat.press("Use another account")
    chat.sign_in("grace", "hopper-1906")
    totp, now = pyotp.TOTP(DEMO_SECRET), int(time.time())
    chat.webview.get_by_label("Code").fill(totp.at(now), timeout=WAIT)
    chat.press("Continue")
    chat.press("Connect")
    chat.sees("You are now connected to Acme as grace")
    chat.sees("like: points 123456")
    chat.say(f"points {totp.at(now + 30)}")
    chat.sees("You have 1906 points, grace.")


def test_a_wrong_password_says_so_and_keeps_the_name(chat_of: Open) -> None:
    chat = chat_of()
    chat.say("points")
    chat.tap("Log In")
    chat.sign_in("ada", "byron-1788")
    chat.webview.get_by_role("alert").get_by_text("Wrong user name or password").wait_for(timeout=WAIT)
    chat.webview.locator("[name=password]:focus").wait_for(timeout=WAIT)
    assert chat.webview.get_by_label("User name").input_value() == "ada"


def test_redelivered_events_bring_one_confirmation(chat_of: Open) -> None:
    chat = chat_of()
    chat.switch("Redeliver")
    chat.say("log in")
    chat.tap("Log In")
    chat.sign_in()
    chat.press("Connect")
    chat.sees("You are now connected")
    chat.switch("Redeliver")
    chat.say("points")
    chat.sees("You have 1815 points")
    assert chat.count("You are now connected") == 1


def test_the_confirmation_comes_when_graph_is_back(chat_of: Open, bot: RunningBot) -> None:
    chat = chat_of()
    chat.say("log in")
    chat.tap("Log In")
    chat.sign_in()
    chat.webview.get_by_role("button", name="Connect", exact=True).wait_for(timeout=WAIT)
    chat.page.get_by_role("button", name="Close").click()
    chat.say("log in")
    chat.sees("Log in to connect this chat", times=2)
    chat.tap("Log In")
    chat.sign_in()
    chat.webview.get_by_role("button", name="Connect", exact=True).wait_for(timeout=WAIT)
    chat.page.evaluate("document.querySelector('#switch-graph_down').click()")
    chat.press("Connect")
    chat.sees("Account linked to Acme")
    chat.page.wait_for_timeout(1500)
    assert chat.count("You are now connected") == 0
    assert bot.flask("show", "24680135791357").returncode == 0
    chat.page.evaluate("document.querySelector('#switch-graph_down').click()")
    chat.sees("You are now connected")


def test_the_pages_speak_the_browsers_language(chat_of: Open) -> None:
    chat = chat_of(locale="zh-CN")
    chat.say("log in")
    chat.tap("Log In")
    chat.webview.locator("html[lang=zh-CN]").wait_for(timeout=WAIT)
    chat.webview.locator("input[name=username]").fill("ada")
    chat.webview.locator("input[name=password]").fill("lovelace-1815")
    chat.webview.locator("form[action$='/login'] button").click()
    chat.webview.locator("form[action$='/consent'] button").click(timeout=WAIT)
    chat.log.get_by_text("Acme").filter(has_text="ada").last.wait_for(timeout=WAIT)
    assert chat.count("You are now connected") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_the_flow_is_accessible_and_fits(chat_of: Open, scheme: str) -> None:
    """axe-core finds nothing, and nothing overflows, from the chat to the last page, at any width."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    chat = chat_of(scheme=scheme)

    def look() -> None:
        for width in (320, 1280, 390):
            chat.page.set_viewport_size({"width": width, "height": 800})
            found = axe.run(chat.page)
            assert found.violations_count == 0, (width, found.generate_report())
            for frame in chat.page.frames:
                fits = frame.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
                assert fits, (width, frame.url)

    look()
    chat.say("orders")
    chat.tap("Log In")
    chat.webview.get_by_label("User name").wait_for(timeout=WAIT)
    look()
    chat.sign_in(password="wrong")
    chat.webview.get_by_role("alert").wait_for(timeout=WAIT)
    look()
    chat.webview.get_by_role("link", name="Create an account").click()
    chat.webview.get_by_role("button", name="Create account").wait_for(timeout=WAIT)
    look()
    chat.webview.get_by_role("link", name="Log in").click()
    chat.webview.get_by_role("button", name="Log in", exact=True).wait_for(timeout=WAIT)
    chat.sign_in()
    chat.webview.get_by_role("button", name="Connect", exact=True).wait_for(timeout=WAIT)
    look()
    chat.press("Connect")
    chat.sees("Order 1042")
    chat.page.frames[-1].wait_for_url("about:blank", timeout=WAIT)  # the webview closes by itself
    look()
    assert (chat.problems, chat.foreign) == ([], [])
