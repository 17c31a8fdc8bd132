"""How every page leaves the house: the template, the language, and headers that keep it to itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app, render_template, request
from jinja2 import Template

from bot_linking.config.settings import Settings
from bot_linking.translations import best_of, translate


class Pages:
    """Renders the templates of `bot_linking/` for one brand.

    A host overrides a page by its name in its own `templates/bot_linking/`, or single blocks of it in
    `templates/bot_linking/custom/`, extending the original.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policy = _content_security_policy(settings)

    def locale(self) -> str:
        """The shipped language that suits the browser best."""
        return best_of((tag for tag, _ in request.accept_languages), self._settings.locale)

    def text(self, message: str, **values: str) -> str:
        return translate(self.locale(), message, **values)

    def show(self, name: str, status: int = 200, **context: Any) -> Response:
        """A page by its template's name."""
        locale = self.locale()

        def _(message: str, **values: str) -> str:
            return translate(locale, message, **values)

        html = render_template(
            self._template(name),
            base=self._template("base"),
            _=_,
            lang=locale.replace("_", "-"),
            brand_name=self._settings.brand_name,
            brand_logo=self._settings.brand_logo,
            **context,
        )
        return self.guard(Response(html, status, mimetype="text/html"))

    def _template(self, name: str) -> Template:
        return current_app.jinja_env.select_template(
            [f"bot_linking/custom/{name}.html", f"bot_linking/{name}.html"]
        )

    def go(self, location: str) -> Response:
        """303 to these very bytes; 307 would send the password on, and a redirect helper may rewrite."""
        response = Response(status=303, headers={"Location": location})
        response.autocorrect_location_header = False
        return self.guard(response)

    def guard(self, response: Response) -> Response:
        headers = response.headers
        headers["Content-Security-Policy"] = self._policy
        headers["Cache-Control"] = "no-store"
        headers["Vary"] = "Cookie, Accept-Language"
        headers["Referrer-Policy"] = "no-referrer"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Robots-Tag"] = "noindex"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        if not self._settings.frame_origins:
            headers["X-Frame-Options"] = "DENY"
        return response


def _content_security_policy(settings: Settings) -> str:
    logo = urlsplit(settings.brand_logo or "")
    images = f"'self' https://{logo.netloc}" if logo.netloc else "'self'"
    # Chrome applies form-action to the redirect that follows a form, too: it must name where we lead.
    targets = " ".join(["'self'", *sorted(settings.origins)])
    frames = " ".join(settings.frame_origins) or "'none'"
    return (
        f"default-src 'none'; style-src 'self'; img-src {images}; form-action {targets}; "
        f"frame-ancestors {frames}; base-uri 'none'"
    )


def brand_stylesheet(settings: Settings) -> str:
    """The brand's colour as custom properties, with text on it that can be read."""
    color = settings.brand_color
    ink = "#000000" if _luminance(color) > 0.179 else "#ffffff"
    return f":root{{--brand:{color};--on-brand:{ink}}}\n"


def _luminance(color: str) -> float:
    """Relative luminance as the accessibility guidelines define it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
