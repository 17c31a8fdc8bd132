"""`python -m tests.pictures`: takes the README's picture of the example bot on a phone."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from bot_linking.simulator import Simulator
from bot_linking.testing import BotServer
from tests.browser import launch

PICTURE = Path(__file__).parents[1] / "example_bot" / "screenshot.png"
WIDTH, HEIGHT = 390, 800
ROW = """<!doctype html><style>
body { margin: 0; padding: 24px; display: flex; gap: 24px; background: #e6ecee }
img { width: 390px; height: 800px; border: 10px solid #11181f; border-radius: 44px }
</style>"""


def main() -> None:
    """Walk from the question to the answer, and put the phone's screens side by side."""
    with running() as address, sync_playwright() as driver:
        browser = launch(driver)
        pictures = [base64.b64encode(picture).decode() for picture in walk(browser, address)]
        page = browser.new_page(viewport={"width": 1758, "height": 868})
        page.set_content(ROW + "".join(f'<img src="data:image/png;base64,{each}">' for each in pictures))
        page.screenshot(path=PICTURE)
        browser.close()
    print(f"{PICTURE}: {PICTURE.stat().st_size // 1024} KiB")


@contextmanager
def running() -> Iterator[str]:
    """The example bot beside its Messenger; the address of the chat."""
    with tempfile.TemporaryDirectory() as folder, BotServer() as server:
        os.environ["EXAMPLE_BOT_INSTANCE"] = folder
        from example_bot import create_app
        from example_bot.bot import SUGGESTIONS

        given: dict[str, Any] = {"page_name": "Acme", "suggestions": SUGGESTIONS}
        with Simulator(f"{server.url}/webhook", **given) as simulator:
            app = create_app(simulator.settings_for_bot(server.url))
            server.serve(app)
            yield simulator.url
            app.extensions["bot_linking"].stop()


def walk(browser: Browser, address: str) -> Iterator[bytes]:
    """A picture of each step."""
    size: Any = {"width": WIDTH, "height": HEIGHT}
    phone = browser.new_context(viewport=size, reduced_motion="reduce")
    page = phone.new_page()
    page.goto(address)
    page.get_by_label("Message", exact=True).fill("orders")
    page.keyboard.press("Enter")
    button = page.get_by_role("log").get_by_role("button", name="Log In")
    button.wait_for()
    page.mouse.click(5, 300)
    yield page.screenshot()
    button.click()
    view = page.frame_locator("#webview-frame")
    view.get_by_label("User name").fill("ada")
    view.get_by_label("Password", exact=True).fill("lovelace-1815")
    page.wait_for_timeout(300)
    yield page.screenshot()
    view.locator("form[action$=login] button[type=submit]").last.click()
    agree = view.locator("form[action*=consent] button[type=submit]")
    agree.wait_for()
    page.wait_for_timeout(300)
    yield page.screenshot()
    agree.click()
    page.get_by_role("log").get_by_text("Order 1042").wait_for()
    page.wait_for_timeout(2500)
    yield page.screenshot()


if __name__ == "__main__":
    main()
