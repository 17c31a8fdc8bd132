"""The pictures of the guides, taken anew of the pages as they are: `python -m tests.webview.pictures`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from bot_linking import Account
from tests.webview.test_templates import CONSENT, LOGIN, VARIANTS, Site, Window

FOLDER = Path(__file__).parents[2] / "bot_linking" / "webview" / "pictures"
WIDTH, HEIGHT = 320, 560
ADA = Account("1", "ada", "ada@example.com", None, "Ada Lovelace")
LEGAL = {"privacy_url": "/privacy", "terms_url": "/terms", "forgot_url": "/forgot"}

PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "login": ("login", LOGIN | {"forgot_url": "/forgot"}),
    "consent": ("consent", CONSENT | {"account": ADA, "profile_name": "Ada L."}),
    "connected": ("linked", {"sdk": None}),
    "expired": ("notice", {"notice": "expired", "back": "/", "again": "t"}),
}
"""Name of the file, and what it shows: a template and what stands in it."""


def take() -> list[Path]:
    """Write each picture, and say where."""
    from playwright.sync_api import sync_playwright

    from tests.browser import CHROMIUM_SWITCHES

    VARIANTS.update(PICTURES)
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        program = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=program, args=CHROMIUM_SWITCHES)
        with Window(browser, Site(**LEGAL)) as window:
            window.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
            for name in PICTURES:
                window.open(name).screenshot(path=FOLDER / f"{name}.png")
        browser.close()
    return [FOLDER / f"{name}.png" for name in PICTURES]


if __name__ == "__main__":
    for path in take():
        print(path)
