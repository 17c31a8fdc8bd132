"""The pages for signing in by a code in an e-mail: ask for one, type it, ask for another.

The page, its words and its time are the same whether the address has an account or not.
"""

from __future__ import annotations

from flask import Response

from bot_linking.core.journey import Step
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.marks import plain_code
from bot_linking.core.ports import Awaited, Refusal
from bot_linking.doors.throttle import TooManyAttempts
from bot_linking.webview.answers import Answers
from bot_linking.webview.fields import canonical_name
from bot_linking.webview.held import Form, Held
from bot_linking.webview.mailed import KIND, TRIES, MailedCodes, TooManyCodes, is_address
from bot_linking.webview.pages import Notice
from bot_linking.webview.stops import fields
from bot_linking.webview.viewing import Route, view
from bot_linking.webview.views import LONGEST_CODE, LONGEST_NAME, Webview


class CodePages:
    """The pages of one app. They answer 404 where the host lacks this sign-in (`mailed` is None)."""

    def __init__(self, linking: Linking, *, webview: Webview, mailed: MailedCodes | None) -> None:
        self._now = linking.now
        self._webview = webview
        self.pages, self.lead_to = webview.pages, webview.lead_to
        self._answers = Answers(linking, webview.attempts)
        self._mailed = mailed

    def routes(self) -> list[Route]:
        return [
            ("/email", "send_code", self.send_code, ["POST"]),
            ("/email-code/<attempt_id>", "email_code", self.show_code, ["GET"]),
            ("/email-code", "check_code", self.check_code, ["POST"]),
            *((f"/{form}", f"{form}_posted", self._webview.show_posted, ["GET"]) for form in FORMS),
        ]

    @view
    def send_code(self) -> Response:
        """Send a code to the typed address, or a new one to the same address. It ends the code before."""
        mailed = self._require_mailed()
        form = self._webview.attempts.form()
        if "again" in fields():
            address, refusal = self._answers.awaited_by(form, KIND).about, _refusal("many")
        else:
            address = self._webview.browser.field("email", LONGEST_NAME)
            refusal = Refusal("login", "email_wrong", email=address, field="email")
        if not is_address(address):
            return self._webview.again(form, refusal)
        counted = canonical_name(address), self._webview.browser.address()
        try:
            self._webview.admission.codes.count(*counted)
            return self.lead_to(self._sent(mailed, form, address))
        except TooManyAttempts as limit:
            return self._webview.too_many(form, refusal, limit)
        except TooManyCodes:
            self._webview.admission.codes.refund(*counted)
            return self._webview.too_busy(form, refusal)

    def _sent(self, mailed: MailedCodes, form: Form, address: str) -> Held:
        code, awaited = mailed.make(address, form.attempt.attempt_id, now=self._now())
        with mailed.sending(address, code):
            return self._answers.wait(form, Step.SEND_CODE, awaited)

    @view
    def show_code(self, attempt_id: str) -> Response:
        """The form for the code."""
        self._require_mailed()
        return self._webview.forms.email_code(self._webview.attempts.shown(attempt_id, "email-code"))

    @view
    def check_code(self) -> Response:
        """Check a typed code. Each try is counted before it is judged."""
        mailed = self._require_mailed()
        form = self._webview.attempts.form()
        code = plain_code(self._webview.browser.field("code", LONGEST_CODE))
        awaited = self._answers.awaited_by(form, KIND)
        if reason := self._flaw(awaited, code):
            return self._webview.again(form, _refusal(reason))
        try:
            name, address = canonical_name(awaited.about), self._webview.browser.address()
            self._webview.admission.code_tries.count(name, address)
        except TooManyAttempts as limit:
            return self._webview.too_many(form, _refusal("many"), limit)
        refusal = _refusal(_after_try(awaited))
        form = self._answers.use_try(form, awaited, refusal)
        account = self._judged(mailed, form.attempt.attempt_id, awaited, code)
        if account is None:
            self._webview.trail.refused(form.attempt, refusal)
            return self.lead_to(Held(form.attempt))
        self._webview.admission.code_tries.forgive(name, address)
        self._webview.admission.codes.forgive(name, address)
        return self.lead_to(self._answers.sign_in(form, account, Step.GIVE_CODE))

    def _judged(self, mailed: MailedCodes, attempt_id: str, awaited: Awaited, code: str) -> Account | None:
        """The account that a right code signs in; None for a wrong one."""
        session = self._webview.browser.session_of(attempt_id)
        is_right = session is not None and mailed.is_right(awaited, code, attempt_id, session)
        return mailed.account_of(awaited.about) if is_right else None

    def _flaw(self, awaited: Awaited, code: str) -> str | None:
        """Why a code is refused without being compared."""
        if not code:
            return "mailed_missing"
        if awaited.tries >= TRIES:
            return "mailed_over"
        return "mailed_late" if self._now() >= awaited.expires_at else None

    def _require_mailed(self) -> MailedCodes:
        if self._mailed is None:
            raise Notice("missing", 404)
        return self._mailed


FORMS = ("email", "email-code")


def _after_try(awaited: Awaited) -> str:
    """The reason to show after one more wrong code."""
    return "mailed_wrong" if awaited.tries + 1 < TRIES else "mailed_over"


def _refusal(reason: str) -> Refusal:
    return Refusal("email-code", reason, field="code")
