"""The pages in a real browser: small windows, large text, each language, keyboard alone, forced colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot_linking import Account
from bot_linking.translations import SHIPPED
from bot_linking.webview.owner_views import ChatRow
from bot_linking.webview.qr import qr_code
from tests.webview.test_templates import CONSENT, SCHEMES, VARIANTS, Site, Window, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SMALL = ((320, 480), (360, 560), (375, 553))
LARGE_TEXT = "document.documentElement.style.fontSize = '200%'"
FITS = "document.documentElement.scrollWidth <= innerWidth"
LEGAL: dict[str, Any] = {"privacy_url": "/privacy", "terms_url": "/terms", "forgot_url": "/forgot"}
FULL = CONSENT | {
    "account": Account("1", "ada", "ada@example.com", None, "Ada Lovelace"),
    "replaced": "g•••@example.com",
    "ended": 2,
}
SPOKEN = (
    "login refused", "signup", "second factor", "all that consent may say", "notice expired",
    "phone, with a chat", "digits", "linked", "connect", "connections", "undo", "deletion",
)  # fmt: skip
CONSENTS = {"consent": CONSENT, "all that it may say": FULL, "long names": VARIANTS["consent, long names"][1]}

WHOLLY_SEEN = """(button) => {
  const box = button.getBoundingClientRect();
  const inside = box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
  const points = [[0.5, 0.5], [0.02, 0.5], [0.98, 0.5], [0.5, 0.05], [0.5, 0.95]];
  const uncovered = points.every(([x, y]) => button.contains(
    document.elementFromPoint(box.left + x * box.width, box.top + y * box.height)));
  return inside && uncovered && button.scrollWidth <= button.clientWidth + 1;
}"""


@pytest.fixture(scope="module")
def site() -> Site:
    return Site(**LEGAL)


@pytest.fixture
def consents(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, context in CONSENTS.items():
        monkeypatch.setitem(VARIANTS, name, ("consent", context))


def _others() -> dict[str, tuple[str, dict[str, Any]]]:
    """The pages beside the journey of the Log In button, by name."""
    chat = {"chat_url": "https://m.me/acme", "chat_code": qr_code("https://m.me/acme")}
    link = {"url": "https://m.me/acme?ref=bl.x", "code": "LINK 7K4Q-9P2M"}
    chats = [
        ChatRow("1", "Ada L.", "1234567890", "2026-11-02", "2026-11-20", "login"),
        ChatRow("2", None, "1234567890", "2026-11-02", "2026-11-02", "web"),
    ]
    mine = {"account": "Ada Lovelace", "ticket": "t"}
    undo = {"token": "t", "ticket": "t", "date": "2026-11-25", "connections": True}
    sides = {"account": "a•••@example.com", "former": "g•••@example.com"}
    recovery = {"error": "Wrong recovery code.", "field": "code", "is_recovery": True, "other_kind": "?"}
    deletion = {"code": "a1B2c3D4e5F6g7H8", "received": "2026-11-25", "finished": ""}
    return {
        "all that consent may say": ("consent", FULL),
        "recovery code": ("second_factor", {"ticket": "t"} | recovery),
        "phone, with a chat": ("notice", {"notice": "phone"} | chat),
        "expired, with a button": ("notice", {"notice": "expired", "back": "/x", "again": "t"}),
        "digits": ("digits", {"digits": "123456", "minutes": 12, "chat_url": "https://m.me/acme"}),
        "linked": ("linked", {"sdk": None}),
        "connect": ("connect", {"account": "Ada", "link": link, "svg": qr_code(link["url"])}),
        "connections": ("connections", mine | {"chats": chats}),
        "no connections": ("connections", mine | {"chats": []}),
        "undo": ("undo", {"state": "open"} | undo | sides),
        "undone": ("undo", {"state": "undone"} | undo),
        "deletion": ("deletion", {"kind": "deletion", "state": "received"} | deletion),
        "menu refused": ("menu_refused", {"sentence": "The domain is not listed.", "flaw": "domain"}),
    }


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_pages_beside_the_journey_exclude_nobody_either(
    chromium: Browser, site: Site, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """On a phone and at a desk, with text at twice its size, and by axe."""
    with Window(chromium, site, scheme=scheme) as window:
        for name, variant in _others().items():
            monkeypatch.setitem(VARIANTS, name, variant)
            page = window.open(name)
            assert name == "digits" or not page.locator("meta[http-equiv=refresh]").count()
            for width in (320, 1280):
                page.set_viewport_size({"width": width, "height": 780})
                asks_again = "meta-refresh"  # the page of digits reloads to learn of the chat
                found = [each for each in violations(page) if not each.startswith(asks_again)]
                assert found == [], (name, width)
                assert page.evaluate(FITS), (name, width)
            page.evaluate(LARGE_TEXT)
            for width in (320, 1280):
                page.set_viewport_size({"width": width, "height": 780})
                assert page.evaluate(FITS), (name, width)
        assert window.elsewhere == window.complaints == []


@pytest.mark.parametrize("language", ["ar", "de", "ja"])
def test_a_language_from_right_to_left_of_long_words_and_without_blanks_excludes_nobody(
    chromium: Browser, site: Site, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    """By axe on the narrowest phone; no text is cut off, also at twice its size."""
    with Window(chromium, site, language=language) as window:
        window.page.set_viewport_size({"width": 320, "height": 568})
        for name in SPOKEN:
            monkeypatch.setitem(VARIANTS, name, (VARIANTS | _others())[name])
            page = window.open(name)
            assert page.evaluate("document.documentElement.lang") == language
            found = [each for each in violations(page) if not each.startswith("meta-refresh")]
            assert found == [], name
            for size in ("0", LARGE_TEXT):
                page.evaluate(size)
                assert page.evaluate(FITS), name
        assert window.elsewhere == window.complaints == []


@pytest.mark.parametrize("language", [locale.replace("_", "-") for locale in SHIPPED])
def test_connect_and_cancel_are_wholly_seen_in_every_small_window(
    chromium: Browser, site: Site, consents: None, language: str
) -> None:
    """With every sentence that the page may have, with the longest names, and with text at twice its size."""
    with Window(chromium, site, language=language) as window:
        for consent in CONSENTS:
            page = window.open(consent)
            for size in ("0", LARGE_TEXT):
                page.evaluate(size)
                for width, height in SMALL:
                    page.set_viewport_size({"width": width, "height": height})
                    seen = page.locator(".actions button").evaluate_all(f"all => all.map({WHOLLY_SEEN})")
                    assert seen == [True, True], (width, height, consent, size)
                    assert page.evaluate(FITS), (width, height, consent, size)


def test_what_has_the_focus_is_never_below_the_buttons_that_stay(
    chromium: Browser, site: Site, consents: None
) -> None:
    """Tab goes through the page in reading order, and each stop is visible."""
    with Window(chromium, site) as window:
        window.page.set_viewport_size({"width": 320, "height": 480})
        page = window.open("all that it may say")
        words = []
        for _ in range(5):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            words.append(focused.inner_text())
            assert focused.evaluate(WHOLLY_SEEN), words[-1]
        assert words == ["Use another account", "Connect", "Cancel", "Privacy", "Terms of use"]


def test_after_an_error_the_field_in_question_has_the_focus(chromium: Browser, site: Site) -> None:
    with Window(chromium, site) as window:
        for variant in ("login refused", "signup refused", "second factor refused"):
            page = window.open(variant)
            page.locator(f"[name={VARIANTS[variant][1]['field']}]:focus").wait_for()
            assert page.title().startswith("Error: ")


def test_the_script_shows_the_password_and_says_that_it_is_busy(chromium: Browser, site: Site) -> None:
    with Window(chromium, site) as window:
        page = window.open("login")
        page.get_by_label("User name").fill("ada")
        password = page.get_by_label("Password", exact=True)
        password.fill("lovelace-1815")
        show = page.get_by_role("checkbox", name="Show")
        show.check()
        assert password.get_attribute("type") == "text"
        show.uncheck()
        assert password.get_attribute("type") == "password"
        show.check()
        page.evaluate("addEventListener('submit', (event) => event.preventDefault())")  # no answer comes
        page.get_by_role("button", name="Log in").click()
        busy = page.get_by_role("button", name="One moment…")
        busy.wait_for()
        assert busy.get_attribute("aria-disabled") == "true"
        assert password.get_attribute("type") == "password", (
            "no shown password is sent or kept by the browser"
        )
        assert window.complaints == []


def test_without_scripts_nothing_is_missing_and_nothing_is_shown_that_does_not_work(
    chromium: Browser, site: Site
) -> None:
    with Window(chromium, site, scripts=False) as window:
        page = window.open("login")
        assert page.get_by_role("checkbox").count() == 0
        page.get_by_label("User name").fill("ada")
        page.get_by_label("Password", exact=True).fill("lovelace-1815")
        with page.expect_request("**/login") as sent:
            page.keyboard.press("Enter")
        assert sent.value.method == "POST"
        assert "password=lovelace-1815" in str(sent.value.post_data)


def test_with_forced_colours_every_button_and_field_has_an_edge(chromium: Browser, site: Site) -> None:
    with Window(chromium, site) as window:
        window.page.emulate_media(forced_colors="active")
        for variant in ("login refused", "consent"):
            page = window.open(variant)
            for each in page.locator(".button, .reveal, input:not([type=hidden]):not([type=checkbox])").all():
                width = each.evaluate("(edge) => parseFloat(getComputedStyle(edge).borderTopWidth)")
                assert width >= 1, each.evaluate("(edge) => edge.outerHTML")


def test_the_code_of_the_chat_is_for_a_second_screen(
    chromium: Browser, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a phone people tap the button; at a desk they scan the code with their phone."""
    chat = {"notice": "phone", "chat_url": "https://m.me/acme", "chat_code": qr_code("https://m.me/acme")}
    monkeypatch.setitem(VARIANTS, "phone, with a chat", ("notice", chat))
    with Window(chromium, site) as window:
        for width, is_shown in ((1280, True), (390, False)):
            window.page.set_viewport_size({"width": width, "height": 800})
            page = window.open("phone, with a chat")
            code = page.locator("[role=img][aria-label^='A code to scan']")
            assert code.is_visible() is is_shown
            assert page.get_by_role("link", name="Open the chat").is_visible()
            width, height = code.locator("svg").evaluate(
                "(svg) => [svg.getBoundingClientRect().width, svg.getBoundingClientRect().height]"
            )
            assert width == height
            assert (width >= 150) is is_shown
