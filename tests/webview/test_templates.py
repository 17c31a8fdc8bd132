"""The pages as people meet them: each rendered alone, then looked at in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from flask import Blueprint, Flask, Response
from werkzeug.wrappers import Response as WerkzeugResponse

import bot_linking.webview
from bot_linking.config.settings import Settings
from bot_linking.core.links import Account
from bot_linking.webview.pages import Pages, brand_stylesheet

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

ROOM = Path(bot_linking.webview.__file__).parent
SITE = "https://bot.test"
SHOWN = "/linking/shown"
ENDPOINTS = {
    "login": ("/login", ["GET"]),
    "sign_in": ("/login", ["POST"]),
    "signup": ("/signup", ["GET"]),
    "sign_up": ("/signup", ["POST"]),
    "consent": ("/consent/<attempt_id>", ["GET"]),
    "approve": ("/consent", ["POST"]),
    "second_factor": ("/second-factor/<attempt_id>", ["GET"]),
    "check_second_factor": ("/second-factor", ["POST"]),
    "switch": ("/switch", ["POST"]),
    "cancel": ("/cancel", ["POST"]),
}
TICKET = "a-signed.ticket"
TARGET = (
    "https://facebook.com/messenger_platform/account_linking/?account_linking_token=ARQ"
    "&authorization_code=pZ8vJ1kq"
)
QUERY = "account_linking_token=ARQ&redirect_uri=https%3A%2F%2Ffacebook.com%2F"
HOSTILE = "\"><script>alert(1)</script><b style='color:red'>{{7*7}}{brand}"
ADA = Account("1", username="ada", email="ada@example.com")
LONG = Account("1", "w" * 254, "m" * 242 + "@example.com", None, "Ada " * 40)

LOGIN: dict[str, Any] = {
    "ticket": TICKET, "username": "", "error": None, "has_password": True, "site_login": None,
    "signup_url": f"/linking/signup?{QUERY}",
}  # fmt: skip
SITE_LOGIN = f"https://shop.example/login?{QUERY}"
SIGNUP: dict[str, Any] = {
    "ticket": TICKET, "username": "", "email": "", "error": None, "shortest_password": 8,
    "login_url": f"/linking/login?{QUERY}",
}  # fmt: skip
CONSENT: dict[str, Any] = {"ticket": TICKET, "account": ADA, "profile_name": "Ada L."}
NOTICES = ("phone", "expired", "broken", "busy", "silent")

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "login": ("login", LOGIN),
    "login refused": (
        "login",
        LOGIN | {"username": "ada", "error": "That is not right.", "field": "password"},
    ),
    "login at the site": ("login", LOGIN | {"has_password": False, "site_login": SITE_LOGIN}),
    "login both ways": ("login", LOGIN | {"site_login": SITE_LOGIN}),
    "login nowhere": ("login", LOGIN | {"has_password": False, "signup_url": None}),
    "signup": ("signup", SIGNUP),
    "signup refused": (
        "signup",
        SIGNUP
        | {"username": "a" * 200, "email": "a@b.example", "error": "Taken. " * 20, "field": "username"},
    ),
    "second factor": ("second_factor", {"ticket": TICKET, "error": None}),
    "second factor refused": (
        "second_factor",
        {"ticket": TICKET, "error": "That is not right.", "field": "code"},
    ),
    "consent": ("consent", CONSENT),
    "consent, no name": ("consent", CONSENT | {"profile_name": None}),
    "consent, long names": ("consent", CONSENT | {"account": LONG, "profile_name": "L" * 200}),
    "consent, hostile names": (
        "consent",
        CONSENT | {"account": Account("1", HOSTILE, HOSTILE), "profile_name": "\u202e" + HOSTILE},
    ),
    "done": ("done", {"target": TARGET}),
    **{f"notice {name}": ("notice", {"notice": name}) for name in NOTICES},
}
WITH_FORMS = [
    name for name, (page, _) in VARIANTS.items() if page in {"login", "signup", "second_factor", "consent"}
]


class Site:
    """An app with a blueprint of the real one's name and folders, whose views do nothing."""

    def __init__(self, **settings: Any) -> None:
        secret = "k" * 16
        self.settings = Settings(
            **{
                "brand_name": "Acme",
                "secret_key": (secret,),
                "public_url": SITE,
                "database": "sqlite:///x.db",
            }
            | settings
        )
        self.app = Flask("host", template_folder=None)
        blueprint = Blueprint(
            "bot_linking",
            "bot_linking.webview",
            root_path=str(ROOM),
            template_folder="templates",
            static_folder="static",
            url_prefix="/linking",
        )
        for endpoint, (rule, methods) in ENDPOINTS.items():
            blueprint.add_url_rule(rule, endpoint, lambda **_: "", methods=methods)
        blueprint.add_url_rule("/brand.css", "brand", self._brand)
        self.app.register_blueprint(blueprint)
        self.pages = Pages(self.settings, "/linking")

    def _brand(self) -> Response:
        return Response(brand_stylesheet(self.settings), mimetype="text/css")

    def show(self, page: str, language: str = "en", **context: Any) -> Response:
        headers = {"Accept-Language": language}
        with self.app.test_request_context("/linking/login", headers=headers):
            return self.pages.show(page, **context)

    def html(self, variant: str, language: str = "en") -> str:
        page, context = VARIANTS[variant]
        return self.show(page, language, **context).get_data(as_text=True)


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    inside: tuple[str, ...]
    form: int | None
    text: str = ""


class Reading(HTMLParser):
    """The elements of a page, with their own text and the number of their form."""

    EMPTY = frozenset({"meta", "link", "input", "img", "br", "circle", "path", "rect"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.forms = 0
        self._open: list[Element] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = tuple(each.tag for each in self._open)
        if tag == "form":
            self.forms += 1
        form = self.forms - 1 if "form" in inside or tag == "form" else None
        element = Element(tag, dict(attrs), inside, form)
        self.elements.append(element)
        if tag not in self.EMPTY:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self._open.pop().tag == tag, "every element is closed where it was opened"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        return [
            element
            for element in self.elements
            if element.tag == tag and attributes.items() <= element.attributes.items()
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        (element,) = self.all(tag, **attributes)
        return element


def read(variant: str, language: str = "en") -> Reading:
    return Reading(Site().html(variant, language))


# What the markup says


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_page_carries_an_inline_script_or_a_style_of_its_own(variant: str) -> None:
    for element in read(variant).elements:
        assert element.tag not in {"style", "iframe", "object", "base"}
        assert element.tag != "script" or element.attributes["src"] == "/linking/static/bot_linking.js"
        assert element.tag != "script" or not element.text
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
        assert not str(element.attributes.get("href", "")).lower().startswith("javascript:")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_page_asks_for_files_of_its_own_site_only(variant: str) -> None:
    reading = read(variant)
    loaded = [element.attributes["href"] for element in reading.all("link")]
    loaded += [element.attributes["src"] for element in reading.all("img")]
    assert loaded
    assert all(str(address).startswith("/linking/") for address in loaded)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_page_names_its_language_and_stays_out_of_search(variant: str) -> None:
    reading = read(variant, "zh-CN")
    assert reading.one("html").attributes["lang"] == "zh-CN"
    assert reading.one("meta", name="robots").attributes["content"] == "noindex"
    assert reading.one("meta", name="color-scheme").attributes["content"] == "light dark"
    assert "width=device-width" in str(reading.one("meta", name="viewport").attributes["content"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_page_has_a_title_and_one_heading(variant: str) -> None:
    reading = read(variant)
    assert reading.one("title").text.endswith(" – Acme")
    assert reading.one("h1").text.strip()


@pytest.mark.parametrize("variant", WITH_FORMS)
def test_every_form_posts_the_ticket(variant: str) -> None:
    reading = read(variant)
    assert reading.forms
    for number, form in enumerate(reading.all("form")):
        assert form.attributes["method"] == "post"
        tickets = [field for field in reading.all("input", name="ticket") if field.form == number]
        assert [field.attributes["value"] for field in tickets] == [TICKET]


@pytest.mark.parametrize("variant", WITH_FORMS)
def test_every_page_with_a_form_has_a_way_out_without_linking(variant: str) -> None:
    (cancel,) = read(variant).all("form", action="/linking/cancel")
    assert cancel.text.strip() == "Cancel"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_field_has_a_label_and_every_description_exists(variant: str) -> None:
    reading = read(variant)
    labelled = {label.attributes["for"] for label in reading.all("label")}
    ids = [element.attributes["id"] for element in reading.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for field in reading.all("input"):
        assert field.attributes.get("type") == "hidden" or field.attributes["id"] in labelled
        assert set(str(field.attributes.get("aria-describedby") or "").split()) <= set(ids)


def test_the_login_form_is_one_that_password_managers_know() -> None:
    reading = read("login refused")
    username, password = reading.one("input", name="username"), reading.one("input", name="password")
    assert username.attributes["autocomplete"] == "username"
    assert username.attributes["autocapitalize"] == "none"
    assert username.attributes["spellcheck"] == "false"
    assert username.attributes["value"] == "ada"
    assert password.attributes["autocomplete"] == "current-password"
    assert password.attributes["type"] == "password"
    assert "value" not in password.attributes
    assert reading.all("form")[0].attributes["action"] == "/linking/login"


@pytest.mark.parametrize("variant", ["login refused", "signup refused"])
def test_an_error_is_told_by_the_title_and_by_the_one_field_in_question(variant: str) -> None:
    """The field has the focus, so that a screen reader reads its error; no other field is marked."""
    reading = read(variant)
    assert reading.one("p", role="alert").attributes["id"] == "error"
    assert reading.one("title").text.startswith("Error: ")
    in_question = VARIANTS[variant][1]["field"]
    for field in reading.all("input"):
        is_it = field.attributes.get("name") == in_question
        assert (field.attributes.get("aria-invalid") == "true") is is_it
        assert ("autofocus" in field.attributes) is is_it
        assert ("error" in str(field.attributes.get("aria-describedby", "")).split()) is is_it


@pytest.mark.parametrize("variant", ["login", "signup"])
def test_without_an_error_nothing_is_marked_as_wrong(variant: str) -> None:
    reading = read(variant)
    assert not reading.all("p", role="alert")
    assert not reading.one("title").text.startswith("Error")
    assert not [field for field in reading.all("input") if "aria-invalid" in field.attributes]


def test_the_site_s_own_login_is_the_only_way_when_there_is_no_password_form() -> None:
    reading = read("login at the site")
    assert not reading.all("input", type="password")
    assert reading.one("a", href=SITE_LOGIN).text.strip() == "Log in at Acme"


def test_a_login_page_with_no_way_in_says_what_to_do() -> None:
    assert "Please log in at Acme first." in read("login nowhere").one("main").text


def test_login_and_sign_up_lead_to_each_other_with_the_same_query() -> None:
    assert read("login").one("a", href=f"/linking/signup?{QUERY}").text == "Create an account"
    assert read("signup").one("a", href=f"/linking/login?{QUERY}").text == "Log in"


def test_sign_up_asks_for_a_new_password_and_no_email_if_one_prefers() -> None:
    reading = read("signup")
    password, email = reading.one("input", name="password"), reading.one("input", name="email")
    assert password.attributes["autocomplete"] == "new-password"
    assert password.attributes["minlength"] == "8"
    assert email.attributes["type"] == "email"
    assert "required" not in email.attributes


def test_the_consent_page_names_both_sides() -> None:
    """Each name stands once: a screen reader reads all of them."""
    main = read("consent").one("main").text
    assert (main.count("ada@example.com"), main.count("Ada L.")) == (1, 1)
    cards = [side.text.split() for side in read("consent").all("li")]
    assert "ada@example.com" in cards[0]
    assert "Ada" in cards[1]


def test_the_consent_page_keeps_to_the_truth_when_messenger_names_nobody() -> None:
    assert "The one that opened this page" in read("consent, no name").one("main").text


def test_the_first_form_of_the_consent_page_is_the_only_one_that_links() -> None:
    forms = read("consent").all("form")
    assert [form.attributes["action"] for form in forms] == [
        "/linking/consent", "/linking/cancel", "/linking/switch",
    ]  # fmt: skip
    assert forms[0].text.strip() == "Connect"


def test_the_consent_page_warns_of_links_that_somebody_sent() -> None:
    assert "Did someone send you to this page? Then tap Cancel." in read("consent").one("main").text


def test_names_stay_in_their_own_place_whatever_they_contain() -> None:
    """Markup is shown as text, a placeholder is not filled in, and the direction of the text ends with the
    name."""
    html = Site().html("consent, hostile names")
    assert "<script>" not in html
    assert "<b style" not in html
    reading = Reading(html)
    names = [element.text for element in reading.all("bdi") if "li" in element.inside]
    assert names == [HOSTILE, HOSTILE]  # without the mark that would turn it round


@pytest.mark.parametrize("page", ["login", "signup"])
def test_what_was_typed_or_configured_is_shown_as_text(page: str) -> None:
    typed = dict.fromkeys(("username", "email", "error", "ticket", "signup_url", "login_url"), HOSTILE)
    context = (LOGIN if page == "login" else SIGNUP) | typed
    html = Site(brand_name=HOSTILE).show(page, **context).get_data(as_text=True)
    assert "<script>" not in html
    assert Reading(html).one("input", name="username").attributes["value"] == HOSTILE


def test_the_done_page_leads_to_messenger_without_javascript() -> None:
    reading = read("done")
    assert reading.one("meta", **{"http-equiv": "refresh"}).attributes["content"] == f"0;url={TARGET}"
    assert reading.one("a", href=TARGET).text.strip() == "Go back to Messenger now"


def test_the_done_page_gives_on_the_very_target() -> None:
    target = TARGET + "&quote=%22%3E&amp=1&copy=2"
    reading = Reading(Site().show("done", target=target).get_data(as_text=True))
    assert reading.one("a", href=target)
    assert reading.one("meta", **{"http-equiv": "refresh"}).attributes["content"] == f"0;url={target}"


@pytest.mark.parametrize("name", NOTICES)
def test_every_notice_says_something_of_its_own_and_what_to_do_next(name: str) -> None:
    texts = {each: read(f"notice {each}").one("main").text for each in NOTICES}
    assert sum(text == texts[name] for text in texts.values()) == 1
    assert "tap Log In" in texts[name]


def test_a_logo_takes_the_place_of_the_name() -> None:
    html = Site(brand_logo="/logo.svg").html("login")
    assert Reading(html).one("img", src="/logo.svg").attributes["alt"] == "Acme"


def test_every_page_speaks_chinese_to_who_reads_chinese() -> None:
    english = re.compile(r"[a-z]{3,}")
    known = re.compile(r"Messenger|Facebook|Acme|Ada L\.|ada(?:@example\.com)?")
    for variant in (
        "login",
        "login nowhere",
        "login both ways",
        "signup",
        "consent",
        "consent, no name",
        "done",
    ):
        assert not english.search(known.sub("", read(variant, "zh-CN").one("main").text)), variant
    for name in NOTICES:
        assert not english.search(known.sub("", read(f"notice {name}", "zh-CN").one("main").text)), name


@pytest.mark.parametrize("page", ["login", "signup", "consent", "done", "notice"])
def test_a_host_overrides_one_block_and_keeps_the_rest(page: str, tmp_path: Path) -> None:
    folder = tmp_path / "bot_linking" / "custom"
    folder.mkdir(parents=True)
    (folder / f"{page}.html").write_text(
        f'{{% extends "bot_linking/{page}.html" %}}{{% block lead %}}Hello from the shop{{% endblock %}}'
    )
    site = Site()
    site.app.template_folder = str(tmp_path)
    context = next(context for of, context in VARIANTS.values() if of == page)
    mine, ours = (
        Reading(site.show(page, **context).get_data(as_text=True)),
        Reading(Site().show(page, **context).get_data(as_text=True)),
    )
    assert "Hello from the shop" in mine.one("main").text
    assert mine.one("h1").text == ours.one("h1").text
    assert mine.forms == ours.forms


def test_a_host_overrides_the_frame_of_every_page(tmp_path: Path) -> None:
    folder = tmp_path / "bot_linking" / "custom"
    folder.mkdir(parents=True)
    (folder / "base.html").write_text(
        '{% extends "bot_linking/base.html" %}{% block footer %}<footer>Acme Ltd.</footer>{% endblock %}'
    )
    site = Site()
    site.app.template_folder = str(tmp_path)
    for variant in VARIANTS:
        assert Reading(site.html(variant)).one("footer").text == "Acme Ltd."


def test_the_stylesheet_needs_nothing_from_anywhere() -> None:
    css = (ROOM / "static" / "bot_linking.css").read_text()
    assert "url(" not in css
    assert "@import" not in css


# What a browser makes of it


class Window:
    """A browser window on one site. The test answers every request, and records those to other hosts."""

    def __init__(
        self,
        browser: Browser,
        site: Site,
        *,
        scheme: str = "light",
        language: str = "en",
        scripts: bool = True,
    ) -> None:
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self._site = site
        self._language = language
        self._answers: dict[str, WerkzeugResponse] = {}
        self._context = browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            locale=language,
            java_script_enabled=scripts,
        )
        self.page: Page = self._context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.route("**/*", self._answer)

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def open(self, variant: str) -> Page:
        page, context = VARIANTS[variant]
        self._answers[SHOWN] = self._site.show(page, self._language, **context)
        self.page.goto(f"{SITE}{SHOWN}", wait_until="load")
        return self.page

    def _answer(self, route: Route) -> None:
        parts = urlsplit(route.request.url)
        if f"{parts.scheme}://{parts.netloc}" != SITE:
            if route.request.url != TARGET:
                self.elsewhere.append(route.request.url)
            route.fulfill(status=204)
            return
        answer = self._page_shown() if parts.path == SHOWN else self._file(parts.path)
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.get_data())

    def _page_shown(self) -> WerkzeugResponse:
        """Once. A page that asks for itself again, as the page of digits does, stays as it is."""
        return self._answers.pop(SHOWN, None) or WerkzeugResponse(status=204)

    def _file(self, path: str) -> WerkzeugResponse:
        if path not in self._answers:
            with self._site.app.test_client() as client, client.get(path) as found:
                found.get_data()
                self._answers[path] = found
        return self._answers[path]


WIDTHS = (320, 390, 1280)
SCHEMES = ("light", "dark")
HARD_BRANDS = ("#ffffff", "#000000", "#ffe100", "#777777", "#e60023", "#fffdf9", "#1f1b17")


def violations(page: Page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    if page.evaluate("typeof axe") == "undefined":  # half a megabyte, once for each page
        page.evaluate(Axe().axe_script)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def _resized(page: Page) -> Iterator[int]:
    """The same page at one width after the other."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 780})
        yield width


def _overflow(page: Page) -> int:
    found = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert isinstance(found, int)
    return max(found, 0)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_page_fits_its_window_and_excludes_nobody(chromium: Browser, variant: str, scheme: str) -> None:
    with Window(chromium, Site(), scheme=scheme) as window:
        page = window.open(variant)
        for width in _resized(page):
            assert violations(page) == [], width
            assert _overflow(page) == 0, width
        assert window.elsewhere == []
        assert window.complaints == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_page_fits_its_window_in_chinese_and_from_right_to_left(
    chromium: Browser, variant: str
) -> None:
    with Window(chromium, Site(), language="zh-CN") as window:
        page = window.open(variant)
        for direction in ("ltr", "rtl"):
            page.evaluate("direction => { document.documentElement.dir = direction }", direction)
            for width in _resized(page):
                assert _overflow(page) == 0, (direction, width)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("color", HARD_BRANDS)
def test_any_brand_colour_leaves_everything_readable(chromium: Browser, color: str, scheme: str) -> None:
    with Window(chromium, Site(brand_color=color), scheme=scheme) as window:
        for variant in ("login", "consent"):
            assert violations(window.open(variant)) == [], variant


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_that_is_pressed_is_large_enough_for_a_thumb(chromium: Browser, variant: str) -> None:
    with Window(chromium, Site()) as window:
        window.page.set_viewport_size({"width": 320, "height": 640})
        page = window.open(variant)
        for target in page.locator("button, a, input:not([type=hidden])").all():
            box = target.bounding_box()
            assert box is not None
            assert box["height"] >= 44, target.inner_text()
            assert box["width"] >= 44, target.inner_text()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_has_the_keyboard_s_attention_shows_it(chromium: Browser, scheme: str) -> None:
    with Window(chromium, Site(), scheme=scheme) as window:
        for variant in ("login", "consent", "done"):
            page = window.open(variant)
            for _ in page.locator("button, a, input:not([type=hidden])").all():
                page.keyboard.press("Tab")
                outline = page.evaluate(
                    "(({outlineStyle, outlineWidth}) => [outlineStyle, parseFloat(outlineWidth)])"
                    "(getComputedStyle(document.activeElement))"
                )
                assert outline[0] == "solid"
                assert outline[1] >= 2


def test_enter_on_the_consent_page_presses_nothing_by_itself(chromium: Browser) -> None:
    """No element has the focus when the page opens: the person must choose the button."""
    with Window(chromium, Site()) as window:
        page = window.open("consent")
        page.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )  # autofocus
        assert page.evaluate("document.activeElement === document.body")


def test_the_done_page_goes_back_by_itself_in_a_browser_without_javascript(chromium: Browser) -> None:
    with (
        Window(chromium, Site(), scripts=False) as window,
        window.page.expect_request(TARGET),
    ):
        window.open("done")


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "done"])
def test_no_other_page_goes_anywhere_by_itself(variant: str) -> None:
    assert not read(variant).all("meta", **{"http-equiv": "refresh"})
