"""Renders every page: its template, its language, and headers that forbid storing, framing and foreign
scripts."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app, render_template, request
from jinja2 import Environment, Template, Undefined
from jinja2.defaults import (
    BLOCK_END_STRING,
    BLOCK_START_STRING,
    COMMENT_END_STRING,
    COMMENT_START_STRING,
    VARIABLE_END_STRING,
    VARIABLE_START_STRING,
)
from markupsafe import Markup
from werkzeug.datastructures import Headers

from bot_linking.config.settings import Settings
from bot_linking.core.links import LOGIN, MENU
from bot_linking.core.reading import read_id
from bot_linking.translations import best_of, direction_of, translate, translate_count
from bot_linking.webview.qr import qr_code
from bot_linking.webview.refusals import whole_minutes
from bot_linking.webview.tickets import Ticket


class Notice(Exception):
    """Stop the view, and answer with the page `notice.html` for this name, with this status.

    `back` is a checked return URL of Messenger, which leads back without a code. `ticket` is the one of the
    attempt that is over.
    """

    def __init__(
        self,
        name: str,
        status: int = 400,
        *,
        back: str | None = None,
        retry_after: int | None = None,
        ticket: Ticket | None = None,
    ) -> None:
        super().__init__(name)
        self.name, self.status, self.back, self.retry_after = name, status, back, retry_after
        self.ticket = ticket


class Pages:
    """Renders the templates of `bot_linking/` for one brand. `root` is the blueprint's path in the public
    address; a proxy may strip it from a request.

    A host overrides a page by its name in its own `templates/bot_linking/`, or single blocks of it in
    `templates/bot_linking/custom/`, extending the original.
    """

    def __init__(self, settings: Settings, root: str) -> None:
        self._settings = settings
        self.root = root
        self._own_headers = _headers(settings, "'self'")
        self._webview_headers = _headers(settings, f"'self' {_origin_of(settings.extensions_sdk)}")
        #: `chat_of(page_id or None)`: the address that opens the chat with a page, or with the only one.
        self.chat_of: Callable[[str | None], str | None] = lambda page_id: None
        #: `offer(notice)`: the ticket of a form that asks for a new Log In button, where one can be sent.
        self.offer: Callable[[Notice], str | None] = lambda notice: None
        self._environment: Environment | None = None
        self._templates: dict[str, Template] = {}
        self._response_class: type[Response] | None = None

    def locale(self) -> str:
        """The language of the page: the shipped one that fits the browser's wish best."""
        return best_of((tag for tag, _ in request.accept_languages), self._settings.locale)

    def text(self, message: str, **values: str) -> str:
        """A sentence of ours in the person's language."""
        return translate(self.locale(), message, **values)

    def count(self, one: str, several: str, count: int, **values: str) -> str:
        """A sentence of ours with a number, in the person's language."""
        return translate_count(self.locale(), one, several, count, **values)

    def show(self, name: str, status: int = 200, **context: Any) -> Response:
        """A page by its template's name."""
        locale = self.locale()
        html = render_template(
            self._template(name),
            base=self._template("base"),
            form_page=self._template("form"),
            _=partial(translate, locale),
            _n=partial(translate_count, locale),
            root=self.root,
            lang=locale.replace("_", "-"),
            dir=direction_of(locale),
            framed=request.headers.get("Sec-Fetch-Dest") == "iframe",  # where browsers refuse autofocus
            brand_name=self._settings.brand_name,
            brand_logo=self._settings.brand_logo,
            privacy_url=self._settings.privacy_url,
            terms_url=self._settings.terms_url,
            **context,
        )
        return self._guarded(_without_overrides(html), status, {"Content-Type": "text/html; charset=utf-8"})

    def show_in_webview(self, name: str, status: int = 200, **context: Any) -> Response:
        """A page on which Messenger's own script may run: it says who opened the webview from the menu, and
        closes the webview."""
        page = self.show(name, status, sdk=self._settings.extensions_sdk, **context)
        page.own_headers = self._webview_headers  # type: ignore[attr-defined]
        page.headers.update(self._webview_headers)
        return page

    def notice(self, notice: Notice) -> Response:
        """The page of a notice. Where the menu opened a login that was left, the page closes its webview."""
        way = notice.ticket.way if notice.ticket else LOGIN
        show = self.show_in_webview if (way, notice.name) == (MENU, "left") else self.show
        page = show(
            "notice",
            notice.status,
            notice=notice.name,
            way=way,
            back=notice.back,
            minutes=whole_minutes((notice.retry_after or 60) * 1000),
            again=self.offer(notice),
            **(self._way_to_chat() if notice.name == "phone" else {}),
        )
        if notice.retry_after is not None:
            page.headers["Retry-After"] = str(notice.retry_after)
        return page

    def _way_to_chat(self) -> dict[str, Any]:
        """The chat's address and QR code, for a person who opened the Log In address outside of Messenger."""
        chat = self.chat_of(read_id(request.args.get("page")))
        return {"chat_url": chat, "chat_code": _code_of(chat)} if chat else {}

    def go(self, location: str) -> Response:
        """303 to exactly this address: 307 would send a password on, and Flask's `redirect` may rewrite
        it."""
        response = self._guarded("", 303, {"Location": location})
        response.autocorrect_location_header = False
        return response

    def show_brand(self) -> Response:
        """The stylesheet with the brand's colours."""
        response = Response(brand_stylesheet(self._settings), mimetype="text/css")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response

    def _template(self, name: str) -> Template:
        """The host's own template, else ours. Looked up once, unless the app reloads templates."""
        jinja = self._jinja()
        if name not in self._templates or jinja.auto_reload:
            names = [f"bot_linking/custom/{name}.html", f"bot_linking/{name}.html"]
            self._templates[name] = jinja.select_template(names)
        return self._templates[name]

    def _jinja(self) -> Environment:
        """The host's loader, filters and globals with Jinja's default syntax, which our templates use."""
        if self._environment is None:
            self._environment = current_app.jinja_env.overlay(**_SYNTAX)
        return self._environment

    def _guarded(self, html: str, status: int, headers: dict[str, str]) -> Response:
        if self._response_class is None:
            self._response_class = _guarded_class(current_app.response_class)
        response = self._response_class(html, status, headers)
        response.own_headers = self._own_headers  # type: ignore[attr-defined]
        response.headers.update(self._own_headers)
        return response


@lru_cache(maxsize=256)
def _code_of(chat: str) -> Markup:
    """The QR code of a chat's address, which is the same on each visit."""
    return qr_code(chat)


def _without_overrides(html: str) -> str:
    """The page without the two marks that reverse text, also outside of the element that holds them."""
    return html.replace("\u202d", "").replace("\u202e", "")


_SYNTAX: dict[str, Any] = {
    "block_start_string": BLOCK_START_STRING,
    "block_end_string": BLOCK_END_STRING,
    "variable_start_string": VARIABLE_START_STRING,
    "variable_end_string": VARIABLE_END_STRING,
    "comment_start_string": COMMENT_START_STRING,
    "comment_end_string": COMMENT_END_STRING,
    "line_statement_prefix": None,
    "line_comment_prefix": None,
    "trim_blocks": False,
    "lstrip_blocks": False,
    "autoescape": True,
    "undefined": Undefined,
    "finalize": None,
}


def _guarded_class(response_class: type[Response]) -> type[Response]:
    """The host's class of responses, but our headers are set last: the host's extensions can neither loosen
    a page's policy nor open it to other origins."""

    class Guarded(response_class):  # type: ignore[valid-type, misc]
        own_headers: dict[str, str]

        def get_wsgi_headers(self, environ: Any) -> Headers:
            headers: Headers = super().get_wsgi_headers(environ)
            for name in [name for name, _ in headers if name.lower().startswith("access-control-")]:
                headers.remove(name)
            if "X-Frame-Options" not in self.own_headers:
                headers.remove("X-Frame-Options")
            headers.update(self.own_headers)
            return headers

    return Guarded


def _headers(settings: Settings, scripts: str) -> dict[str, str]:
    headers = {
        "Content-Security-Policy": _content_security_policy(settings, scripts),
        "Cache-Control": "no-store",
        "Vary": "Cookie, Accept-Language",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
    if not settings.frame_origins:
        headers["X-Frame-Options"] = "DENY"
    return headers


def _origin_of(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))


def _content_security_policy(settings: Settings, scripts: str) -> str:
    logo = urlsplit(settings.brand_logo or "")
    images = f"'self' https://{logo.netloc}" if logo.netloc else "'self'"
    # Chrome checks form-action against the redirect after a form, too.
    targets = " ".join(["'self'", *sorted(settings.origins)])
    frames = " ".join(settings.frame_origins) or "'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; img-src {images}; "
        f"form-action {targets}; frame-ancestors {frames}; base-uri 'none'"
    )


def brand_stylesheet(settings: Settings) -> str:
    """The brand's colour as custom properties, with black or white for text on it."""
    color = settings.brand_color
    ink = "#000000" if _luminance(color) > 0.179 else "#ffffff"
    return f":root{{--brand:{color};--on-brand:{ink}}}\n"


def _luminance(color: str) -> float:
    """Relative luminance. Source: WCAG 2.2."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
