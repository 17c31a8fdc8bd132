"""The shop's small site: log in, connect a Messenger chat, see which chats are connected.

The two pages about chats are the blueprint's. The site tells it who is signed in (`current_account`), and
where its own login page is.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, abort, redirect, render_template_string, request, session
from werkzeug.wrappers import Response as AnyResponse

from bot_linking import Account
from example_bot.shop import Shop

CUSTOMER, FORM = "customer", "form"

PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark"><title>{{ title }}</title>
  <style>
  :root { color-scheme: light dark; --accent: light-dark(#0b6e5f, #5fd0bd); --on: light-dark(#fff, #06231e) }
  body { font: 1rem/1.5 system-ui; max-width: 24rem; margin: 3rem auto; padding: 0 1rem }
  a { color: var(--accent) }
  label, input, button { display: block; box-sizing: border-box; width: 100%; font: inherit }
  label { font-weight: 600 }
  input, button { min-height: 3rem; margin: .25rem 0 1rem; padding: 0 .75rem; border-radius: .75rem }
  input { border: 1px solid GrayText } button { border: 0; background: var(--accent); color: var(--on) }
  </style>
</head>
<body><main><h1>{{ title }}</h1>
{% if customer %}
  <p>You are logged in as {{ customer.username }}.</p>
  <ul><li><a href="/linking/connect">Connect Messenger</a></li>
  <li><a href="/linking/connections">Connected chats</a></li></ul>
  <form method="post" action="/logout"><input type="hidden" name="form" value="{{ form }}">
  <button>Log out</button></form>
{% elif asked %}
  {% if wrong %}<p role="alert">That is not right. Please try again.</p>{% endif %}
  <form method="post" action="/login"><input type="hidden" name="form" value="{{ form }}">
  <input type="hidden" name="next" value="{{ next }}">
  <label for="username">User name</label>
  <input id="username" name="username" autocomplete="username" required>
  <label for="password">Password</label>
  <input id="password" name="password" type="password" autocomplete="current-password" required>
  <button>Log in</button></form>
{% else %}
  <p>The example bot is running. Talk to it in Messenger, or <a href="/login">log in</a> to connect a chat
  from here.</p>
{% endif %}
</main></body></html>
"""


class Site:
    """The pages of one shop."""

    def __init__(self, app: Flask, shop: Shop) -> None:
        self._shop = shop
        app.config.setdefault("SESSION_COOKIE_SAMESITE", "Lax")
        app.add_url_rule("/", "home", self.show_home)
        app.add_url_rule("/login", "site_login", self.log_in, methods=["GET", "POST"])
        app.add_url_rule("/logout", "site_logout", self.log_out, methods=["POST"])

    def current_account(self) -> Account | None:
        """Who is signed in at the site, in this request: for `AccountLinking`."""
        customer = session.get(CUSTOMER)
        return self._shop.account_of(customer) if customer else None

    def show_home(self) -> str:
        return self._page("Acme", customer=self.current_account())

    def log_in(self) -> AnyResponse | str | tuple[str, int]:
        """The login page. Afterwards it leads to `next`, an address of this site."""
        target = request.values.get("next", "")
        if request.method == "GET":
            return self._page("Log in to Acme", asked=True, next=target)
        self._require_own_form()
        account = self._shop.check_password(
            request.form.get("username", ""), request.form.get("password", "")
        )
        if account is None:
            return self._page("Log in to Acme", asked=True, next=target, wrong=True), 403
        session.clear()
        session[CUSTOMER] = account.id
        return redirect(target if self._is_ours(target) else "/", 303)

    def log_out(self) -> AnyResponse:
        self._require_own_form()
        session.clear()
        return redirect("/", 303)

    def _page(self, title: str, **shown: object) -> str:
        form = session.setdefault(FORM, secrets.token_urlsafe(16))
        return render_template_string(PAGE, title=title, form=form, **shown)

    @staticmethod
    def _require_own_form() -> None:
        """Refuse a form of another site, which cannot know this session's secret."""
        given, known = request.form.get("form", ""), session.get(FORM)
        if not known or not secrets.compare_digest(given.encode(), str(known).encode()):
            abort(Response("This form is out of date: open the page again.\n", 400, mimetype="text/plain"))

    @staticmethod
    def _is_ours(target: str) -> bool:
        if not target.isprintable():  # `urlsplit` would judge it without its line breaks
            return False
        try:
            parts = urlsplit(target)
        except ValueError:  # half an IPv6 address
            return False
        is_path = not parts.scheme and not parts.netloc and target.startswith("/linking/")
        return is_path or (f"{parts.scheme}://{parts.netloc}/" == request.host_url and "\\" not in target)
