"""The shop's own API, and how its bot calls it for a person in the chat.

Linking has bound the person's PSID to their customer number. So the bot's back end signs them in with that
PSID, gets an access token, and calls the shop's API with it, as the shop's app for phones would.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify, request

from bot_linking import AccountLinking, ConfigurationError, StoreUnavailable
from bot_linking.external_account import AppKeyRefused, ExternalAccount
from example_bot.shop import Shop

if TYPE_CHECKING:
    import requests

APP_KEY = "acme"
TIMEOUT_S = 4
KEPT_IN = "back_end_token"

# This secret is public: it is for a demo customer, and only while the simulator runs.
DEMO_USER, DEMO_SECRET = 2, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


class SignInRefused(Exception):
    """The person could not be signed in; the text says it to them."""


class SiteAPI:
    """`GET /api/points` of the shop, and a client of it that acts for a linked person."""

    def __init__(self, app: Flask, linking: AccountLinking, shop: Shop) -> None:
        self._linking = linking
        self._token_file = Path(app.instance_path) / KEPT_IN
        self._tokens: dict[str, str] = {}
        self.external = ExternalAccount(linking)
        app.register_blueprint(self.external.blueprint)
        self._back_end_token: str | None = None
        with suppress(ConfigurationError, StoreUnavailable):  # each command and request says it
            self._back_end_token = self._first_token()

        @app.get("/api/points")
        def show_points() -> tuple[Response, int]:
            try:
                user_id = self.external.user_of(request.headers.get("Authorization"), APP_KEY)
            except StoreUnavailable:
                return jsonify(error="Not just now."), 503
            if user_id is None:
                return jsonify(error="Who are you?"), 401
            return jsonify(points=shop.points_of(str(user_id))), 200

    def points_of(self, psid: str, code: str | None = None) -> int | None:
        """The points of a linked person; None for one who is no customer. Raises `SignInRefused`."""
        import requests  # here, so that a command of `flask linking` does not load it

        try:
            answer = self._ask(psid)
            if answer is None:  # no token yet, or it has ended with the link
                if (token := self._sign_in(psid, code)) is None:
                    return None
                self._tokens[psid] = token
                answer = self._ask(psid)
            return int(answer.json()["points"]) if answer else None
        except requests.RequestException:
            raise SignInRefused("The shop does not answer just now. Please try again later.") from None

    def _ask(self, psid: str) -> requests.Response | None:
        token = self._tokens.get(psid)
        if token is None:
            return None
        answer = self._session.get(
            f"{self._linking.settings.public_url}/api/points",
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
        )
        return answer if answer.status_code == 200 else None

    # Signing in

    def _sign_in(self, psid: str, code: str | None) -> str | None:
        wanted = {"platform": "messenger", "unionID": psid} | ({"twoFactorCode": code} if code else {})
        self._back_end_token = self._back_end_token or self._first_token()
        answer = self._post_sign_in(wanted)
        if _is_token_refused(answer):  # of another database, or older than a year
            self._back_end_token = self._keep(self.external.create_back_end_token(APP_KEY))
            answer = self._post_sign_in(wanted)
        if answer.status_code == 404:
            return None
        if answer.status_code == 200:
            return str(answer.json()["data"]["access_token"])
        if _is_code_wanted(answer):
            raise SignInRefused("Send the newest code of your authenticator app with it, like: points 123456")
        raise SignInRefused("That does not work just now. Please try again later.")

    def _post_sign_in(self, wanted: dict[str, str]) -> requests.Response:
        return self._session.post(
            f"{self._linking.settings.public_url}/ExternalAccount/{APP_KEY}/SignIn",
            json=wanted,
            headers={"Authorization": f"Bearer {self._back_end_token}"},
            timeout=TIMEOUT_S,
        )

    @cached_property
    def _session(self) -> requests.Session:
        import requests

        session = requests.Session()
        session.trust_env = False  # we call ourselves: no proxy
        return session

    # The back end's own token

    def _first_token(self) -> str:
        try:
            return self._keep(self.external.create_app(APP_KEY))
        except AppKeyRefused:  # not the first start
            if self._token_file.exists():
                return self._token_file.read_text("ascii")
            return self._keep(self.external.create_back_end_token(APP_KEY))

    def _keep(self, token: str) -> str:
        self._token_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token)
        return token

    def enrol_demo_customer(self) -> str:
        """Two-factor sign-in for one of the demo customers; the address for an authenticator app."""
        return self.external.enable_two_factor(APP_KEY, DEMO_USER, secret=DEMO_SECRET).address


def _is_code_wanted(answer: requests.Response) -> bool:
    return "twoFactorCode" in answer.json()["error"]


def _is_token_refused(answer: requests.Response) -> bool:
    return answer.status_code == 401 and not _is_code_wanted(answer)
