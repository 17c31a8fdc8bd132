"""The pages for signing in at an identity provider: the button, the way there, and the answer.

State, nonce and verifier bind an answer to its login. They are computed from the attempt's secret in the
browser and a key of the site, and kept nowhere. The provider sends people back by a GET, the only one that
acts: once, on an answer that this attempt asked for by a POST.
"""

from __future__ import annotations

import hmac
import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import Response, request

from bot_linking.core.codes import digest_for
from bot_linking.core.journey import FINAL, Step
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.ports import Attempt, Awaited, Refusal
from bot_linking.doors.throttle import TooManyAttempts
from bot_linking.oidc.client import Client, Secrets
from bot_linking.oidc.errors import AnswerRefused, ProviderAway
from bot_linking.oidc.provider import OIDC
from bot_linking.webview.admission import TooBusy
from bot_linking.webview.answers import Answers
from bot_linking.webview.held import Form, Held, MovedOn, require_account
from bot_linking.webview.mailed import where_of
from bot_linking.webview.pages import Notice
from bot_linking.webview.tickets import SESSION, ticket_for
from bot_linking.webview.viewing import Route, view
from bot_linking.webview.views import Webview

KIND = "provider"
MAX_AGE_MS = 600_000
LONGEST_CODE = 4096
_STATE = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")

_log = logging.getLogger("bot_linking.webview")


class ProviderPages:
    """The pages of one app. They answer 404 where the host has no provider (`oidc` is None)."""

    def __init__(
        self, linking: Linking, *, webview: Webview, oidc: OIDC | None, redirect_uri: str, keys: Sequence[str]
    ) -> None:
        self._linking = linking
        self._webview = webview
        self.pages, self.lead_to = webview.pages, webview.lead_to
        self._answers = Answers(linking, webview.attempts)
        self._client = Client(oidc, redirect_uri) if oidc is not None else None
        self._keys = keys

    def routes(self) -> list[Route]:
        return [
            ("/oidc", "ask_provider", self.ask, ["POST"]),
            ("/oidc/<attempt_id>", "go_to_provider", self.go, ["GET"]),
            ("/oidc", "hear_provider", self.hear, ["GET"]),
        ]

    # The way there

    @view
    def ask(self) -> Response:
        """The button: begin to wait for the provider's answer, and lead to the page that goes there."""
        client = self._require_client()
        form = self._webview.attempts.form()
        refusal = Refusal("login", "provider_away")
        try:
            self._webview.admission.count_provider(self._webview.browser.address())
            client.require_reachable()
        except TooManyAttempts as limit:
            return self._webview.too_many(form, refusal, limit)
        except ProviderAway as problem:
            _log_away(problem)
            return self._webview.again(form, refusal)
        attempt_id, ends = form.attempt.attempt_id, self._linking.now() + MAX_AGE_MS

        def awaited(session: str) -> Awaited:
            return Awaited(KIND, digest_for("provider", self._secrets(attempt_id, session).state), "", ends)

        return self.lead_to(self._answers.wait(form, Step.ASK_PROVIDER, awaited))

    @view
    def go(self, attempt_id: str) -> Response:
        """The page that leads to the provider."""
        client = self._require_client()
        attempt = self._webview.attempts.shown(attempt_id, "oidc")
        secrets = self._secrets(attempt_id, self._session_of(attempt))
        try:
            target = client.address(secrets)
        except ProviderAway as problem:
            _log_away(problem)
            raise Notice("busy", 503, retry_after=10, back=attempt.return_url or None) from None
        return self.pages.show(
            "provider",
            target=target,
            provider=client.oidc.label,
            ticket=self._webview.browser.sign(attempt),
        )

    # The way back

    @view
    def hear(self) -> Response:
        """Take the provider's answer, for the attempt that waits for it."""
        client = self._require_client()
        if request.method != "GET":
            raise Notice("missing", 405)
        kept = self._attempt()
        awaited = kept.awaited
        if awaited is None or awaited.kind != KIND:
            raise MovedOn(Held(kept))
        secrets = self._asked_with(kept, awaited)
        form = Form(ticket_for(kept, holder=SESSION, bound_to=kept.session_digest or ""), kept)
        if secrets is None:
            return self._webview.forms.again(_refused(kept, "provider_other"), 400)
        if self._linking.now() >= awaited.expires_at:
            return self._end(form, "provider_late")
        form = self._answers.end(form, Refusal("login", "provider_failed"))
        account, reason = self._judged(client, secrets)
        if account is None:
            return self._end(form, reason)
        return self.lead_to(self._answers.sign_in(form, account, Step.HEAR_PROVIDER))

    def _judged(self, client: Client, secrets: Secrets) -> tuple[Account | None, str]:
        """The account of the answer, or None and the slug of the refusal."""
        try:
            with self._webview.admission.provider_place():
                client.require_issuer(request.args.getlist("iss"))
                if error := request.args.get("error"):
                    return None, "provider_denied" if error == "access_denied" else "provider_failed"
                claims = client.claims(_code(), secrets, now=self._linking.now() // 1000)
        except TooBusy:
            return None, "busy"
        except ProviderAway as problem:
            _log_away(problem)
            return None, "provider_away"
        except AnswerRefused as problem:
            text = "an answer of the identity provider was refused: %s"
            log_sparingly(_log, logging.WARNING, "answer of the provider", text, problem)
            return None, "provider_failed"
        return _account_of(client.oidc, claims)

    def _attempt(self) -> Attempt:
        """The attempt that the answer's state names. Raises `Notice` in another browser than its own."""
        given = request.args.getlist("state")
        named = _STATE.fullmatch(given[0]) if len(given) == 1 else None
        kept = self._linking.attempt_of(named[1]) if named else None
        if kept is None:
            raise Notice("expired")
        if not self._webview.browser.holds(kept):
            raise Notice("elsewhere")
        if kept.stage in FINAL:
            raise Notice(kept.stage, back=kept.return_url or None)
        return kept

    def _asked_with(self, kept: Attempt, awaited: Awaited) -> Secrets | None:
        """The secrets that the answer's state fits; None for an answer to another question."""
        session, state = self._session_of(kept), request.args["state"]
        for key in self._keys:
            secrets = _secrets(key, session, kept.attempt_id)
            is_kept = hmac.compare_digest(digest_for("provider", secrets.state), awaited.digest)
            if is_kept and hmac.compare_digest(secrets.state, state):
                return secrets
        return None

    def _end(self, form: Form, reason: str) -> Response:
        refusal = Refusal("login", reason)
        ended = self._answers.end(form, refusal).attempt
        self._webview.trail.refused(ended, refusal)
        return self.lead_to(Held(ended))

    def _secrets(self, attempt_id: str, session: str) -> Secrets:
        return _secrets(self._keys[0], session, attempt_id)

    def _session_of(self, attempt: Attempt) -> str:
        session = self._webview.browser.session_of(attempt.attempt_id)
        assert session is not None, "asked for the secret of an attempt of another browser"
        return session

    def _require_client(self) -> Client:
        if self._client is None:
            raise Notice("missing", 404)
        return self._client


def _log_away(problem: ProviderAway) -> None:
    log_sparingly(_log, logging.WARNING, "provider away", "the identity provider is away: %s", problem)


def _account_of(oidc: OIDC, claims: dict[str, Any]) -> tuple[Account | None, str]:
    try:
        account = oidc.account_of(claims)
        return None if account is None else require_account(account), "provider_unknown"
    except Exception as problem:
        where = where_of(problem)  # its text may hold the claims
        log_sparingly(_log, logging.ERROR, f"account_of {where}", "account_of failed: %s", where)
        return None, "provider_failed"


def _code() -> str:
    codes = request.args.getlist("code")
    if len(codes) != 1 or not 0 < len(codes[0]) <= LONGEST_CODE:
        raise AnswerRefused("there is no code")
    return codes[0]


def _secrets(key: str, session: str, attempt_id: str) -> Secrets:
    """The secrets of one login, computed from the browser's secret and a key of the site."""

    def made(purpose: str) -> str:
        mac = hmac.digest(f"{key} {session}".encode(), f"oidc {purpose} {attempt_id}".encode(), "sha256")
        return urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")

    return Secrets(f"{attempt_id}.{made('state')}", made("nonce"), made("verifier"))


def _refused(attempt: Attempt, reason: str) -> Attempt:
    return replace(attempt, refusal=Refusal("login", reason))
