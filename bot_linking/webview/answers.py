"""The answer from outside that an attempt waits for: a code from an e-mail, or an identity provider's
answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot_linking.core.journey import Step, StepRefused, after
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.ports import Awaited, Refusal
from bot_linking.webview.attempts import TRIES, Attempts
from bot_linking.webview.browser import new_session
from bot_linking.webview.held import Form, Held, MovedOn, stage_of, with_account
from bot_linking.webview.pages import Notice


class Answers:
    """The awaited answers of one app's attempts."""

    def __init__(self, linking: Linking, attempts: Attempts) -> None:
        self._linking = linking
        self._attempts = attempts

    def wait(self, form: Form, by: Step, awaited: Callable[[str], Awaited]) -> Held:
        """Take the step `by`, and wait for an answer. `awaited` makes it from the attempt's new secret. The
        attempt loses its account, and the answer that it awaited before."""
        for _ in range(TRIES):
            before = self._linking.attempt_of(form.attempt.attempt_id)
            try:
                stage = after(stage_of(before), by)
            except StepRefused as refusal:
                raise Notice(refusal.stage, back=form.ticket.return_url, ticket=form.ticket) from None
            session = new_session()
            waiting = replace(
                with_account(before or form.attempt, None), stage=stage, awaited=awaited(session)
            )
            if held := self._attempts.take(waiting, before, session):
                return held
        return self._attempts.raise_moved_on(form)

    def awaited_by(self, form: Form, kind: str) -> Awaited:
        """The answer of this kind that the form's attempt waits for. Raises `MovedOn` or `Notice` without
        one."""
        awaited = form.attempt.awaited
        if awaited is None or awaited.kind != kind or not form.is_of_session:
            raise MovedOn(Held(form.attempt)) if form.kept else Notice("expired", back=form.ticket.return_url)
        return awaited

    def use_try(self, form: Form, awaited: Awaited, refusal: Refusal) -> Form:
        """Count an answer before it is judged, and keep the refusal for a wrong one. Of several requests at
        the same time one goes on; the others raise `MovedOn`, and are not judged."""
        stage = after(form.attempt.stage, Step.REFUSE)
        tried = replace(
            form.attempt, refusal=refusal, stage=stage, awaited=replace(awaited, tries=awaited.tries + 1)
        )
        if not self._linking.keep(tried, before=form.kept):
            self._attempts.raise_moved_on(form)
        return replace(form, kept=tried)

    def end(self, form: Form, refusal: Refusal) -> Form:
        """End the waiting: the answer has come. The refusal is shown unless another step follows. Of several
        requests at the same time one goes on; the others raise `MovedOn`."""
        stage = after(form.attempt.stage, Step.REFUSE)
        ended = replace(form.attempt, refusal=refusal, stage=stage, awaited=None)
        if not self._linking.keep(ended, before=form.kept):
            self._attempts.raise_moved_on(form)
        return replace(form, kept=ended)

    def sign_in(self, form: Form, account: Account, by: Step) -> Held:
        """Sign in the account that a right answer named, as a password does. Raises `MovedOn` when the
        attempt is not as `form` has it any more."""
        proved, steps = self._attempts.signed_in(form, account, by)
        proved = replace(proved, stage=after(form.attempt.stage, *steps))
        held = self._attempts.take(proved, form.kept) or self._attempts.raise_moved_on(form)
        return self._attempts.note_consent(held)
