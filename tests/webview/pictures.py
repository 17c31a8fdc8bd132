"""Takes the pictures of the guides anew: `python -m tests.webview.pictures`. With languages after it (`ar de
ja`) it takes the linking pages in each of them, for people to look at, into a folder of the language's name
here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot_linking import Account
from bot_linking.webview.qr import qr_code
from tests.webview.test_templates import CONSENT, LOGIN, VARIANTS, Site, Window

PACKAGE = Path(__file__).parents[2] / "bot_linking"
WIDTH, HEIGHT = 320, 560
ADA = Account("1", "ada", "ada@example.com", None, "Ada Lovelace")
LEGAL = {"privacy_url": "/privacy", "terms_url": "/terms", "forgot_url": "/forgot"}
ADDRESS = "https://m.me/acme?ref=bl.1jQ8mVx0bW3nCk5tYh7dPz2f"

Shown = Mapping[str, tuple[str, dict[str, Any]]]
LINKING: Shown = {
    "login": ("login", LOGIN | {"forgot_url": "/forgot"}),
    "consent": ("consent", CONSENT | {"account": ADA, "profile_name": "Ada L."}),
    "connected": ("linked", {"sdk": None}),
    "expired": ("notice", {"notice": "expired", "way": "login", "back": "/", "again": "t"}),
}
WAYS: Shown = {
    "web": ("digits", {"digits": "426913", "minutes": 12, "chat_url": "https://m.me/acme"}),
    "menu": ("menu_linked", LOGIN | {"linked": "ada@example.com", "stamp": "t", "signed_request": "s"}),
    "chat": (
        "connect",
        {
            "account": "Ada Lovelace",
            "choices": [],
            "link": {"url": ADDRESS, "code": "LINK 7K4Q-9P2M"},
            "svg": qr_code(ADDRESS),
        },
    ),
}
PICTURES = {"webview": LINKING, "messenger": WAYS}
"""Room, name of the file, and what it shows: a template and what stands in it."""


def take(browser: Any, folder: Path, shown: Shown, language: str = "en") -> list[Path]:
    """Write each picture, and print its path."""
    VARIANTS.update(shown)
    folder.mkdir(exist_ok=True)
    with Window(browser, Site(**LEGAL), language=language) as window:
        window.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        for name in shown:
            window.open(name).screenshot(path=folder / f"{name}.png")
    return [folder / f"{name}.png" for name in shown]


def main(languages: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser import launch

    with sync_playwright() as driver:
        browser = launch(driver)
        taken = [path for each in languages for path in take(browser, Path(each), LINKING, each)]
        for room, shown in PICTURES.items() if not languages else ():
            taken += take(browser, PACKAGE / room / "pictures", shown)
        browser.close()
    print(*taken, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
