"""Takes the steps of an attempt: who may take each, and what it proves.

The table of `core.journey` says which steps there are. Each is one comparison and write of the store. Where
another request was faster, the person is led to the attempt as it is by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NoReturn

from bot_linking.config.settings import Settings
from bot_linking.core.events import LinkingEvent, LinkingRefused
from bot_linking.core.hooks import Hooks
from bot_linking.core.journey import FINAL, Stage, Step, StepRefused, after, allows
from bot_linking.core.linking import Linking
from bot_linking.core.links import LOGIN, WEB, Account
from bot_linking.core.ports import Attempt, Refusal, Tell
from bot_linking.core.ways import SITE_PAGES, digest_of_digits, digits_of
from bot_linking.doors.neighbour import SecondFactor
from bot_linking.doors.throttle import TooManyAttempts
from bot_linking.messenger.graph import Recipient
from bot_linking.webview.admission import Admission
from bot_linking.webview.browser import Browser, digest_of_session, new_session
from bot_linking.webview.held import (
    Form,
    Held,
    MovedOn,
    account_of,
    is_current,
    require_account,
    stage_of,
    with_account,
    without_account,
)
from bot_linking.webview.identity import Identity, IdentityBusy, IdentityRefused, Profile, TokenExpired
from bot_linking.webview.pages import Notice
from bot_linking.webview.stages import SIGN_IN_PAGES, page_of
from bot_linking.webview.tickets import BROWSER, SESSION, Ticket, ticket_for
from bot_linking.webview.trail import Trail

LINKING_TOKEN_AGE_MS = 300_000
TRIES = 3  # against other requests of the same browser

Count = Callable[[str, str], None]


class Attempts:
    """The attempts of one app."""

    def __init__(
        self,
        linking: Linking,
        settings: Settings,
        *,
        hooks: Hooks,
        tell: Tell,
        browser: Browser,
        admission: Admission,
        identity: Identity,
        trail: Trail,
    ) -> None:
        self._linking = linking
        self._settings = settings
        self._current_account = hooks.current_account
        self._tell = tell
        self._browser = browser
        self._admission = admission
        self._identity = identity
        self._trail = trail
        #: `second_factor(account, code or None)`: may this account go on? Set by the room that keeps them.
        self.second_factor: SecondFactor | None = None

    # Which attempt

    def form(self, *, again_at: Stage | None = None) -> Form:
        """The form in this request. Raises `Notice` where its attempt is over or another browser's, `MovedOn`
        where its page is an old one. A form of an attempt that ended at `again_at` is taken again."""
        ticket = self._browser.ticket()
        kept = self._linking.attempt_of(ticket.attempt_id)
        if ticket.holder == SESSION:
            if kept is None:
                raise Notice("expired", back=ticket.return_url, ticket=ticket)
            if not self._browser.holds(kept):
                raise Notice("elsewhere", back=ticket.return_url, ticket=ticket)
        if kept is not None and kept.stage in FINAL:
            if kept.stage is not again_at:
                raise Notice(kept.stage, back=ticket.return_url, ticket=ticket)
        elif kept is not None and ticket.holder == SESSION and not is_current(ticket, kept):
            raise MovedOn(Held(kept))
        if ticket.way == WEB and ticket.holder == BROWSER:
            ticket = _of_web_link(ticket, self._linking)
        return Form(ticket, kept)

    def shown(self, attempt_id: str, page: str) -> Attempt:
        """The attempt to show at a page's address. Raises `Notice` where it is over or another browser's,
        `MovedOn` where it is at another page."""
        kept = self._linking.attempt_of(attempt_id)
        if kept is None:
            raise Notice("expired")
        if not self._browser.holds(kept):
            raise Notice("elsewhere")
        if kept.stage in FINAL:
            status = 200 if kept.stage is Stage.DONE else 400
            ticket = ticket_for(kept, holder=SESSION, bound_to=kept.session_digest or "")
            raise Notice(kept.stage, status, back=kept.return_url, ticket=ticket)
        is_sign_in = page in SIGN_IN_PAGES and allows(kept.stage, Step.GIVE_PASSWORD)
        if not is_sign_in and page_of(kept) != page:
            raise MovedOn(Held(kept))
        return kept

    def of_browser(self) -> Iterator[Attempt]:
        """This browser's attempts that the store keeps, newest first."""
        for attempt_id in self._browser.attempt_ids():
            kept = self._linking.attempt_of(attempt_id)
            if kept is not None and self._browser.holds(kept):
                yield kept

    def account_of_site(self) -> Account | None:
        """The account that is signed in at the site, by the host's `current_account`."""
        account = self._current_account() if self._current_account else None
        return None if account is None else require_account(account)

    # The steps

    def begin(self, attempt: Attempt) -> Held:
        """Keep an attempt at its first page. After too many from one address it is not kept."""
        return self._take_if_few(attempt) or Held(attempt)

    def refuse(self, form: Form, refusal: Refusal, account: Account | None = None) -> Held:
        """Keep the refusal of a form, to show the form again. `account` is the one signed in at the site,
        which no store keeps yet. After too many from one address the attempt is not kept."""
        if account is not None and not form.is_of_session:
            refused = replace(with_account(form.attempt, account), refusal=refusal)
            return self._step(form, refused, Step.GIVE_PASSWORD, Step.REFUSE)
        self._trail.refused(form.attempt, refusal)
        kept = form.kept
        refused = replace(form.attempt, refusal=refusal, stage=after(form.attempt.stage, Step.REFUSE))
        if kept is None:
            return self._take_if_few(refused) or self.raise_moved_on(form)
        if kept.stage is Stage.OPENED and not self._browser.holds(kept):
            return self.take(refused, kept) or self.raise_moved_on(form)
        return Held(refused) if self._linking.keep(refused, before=kept) else self.raise_moved_on(form)

    def sign_in(self, form: Form, account: Account) -> Held:
        """Sign in the account that the site named: on to its second factor, or to the consent."""
        proved, steps = self.signed_in(form, account, Step.GIVE_PASSWORD)
        return self.note_consent(self._step(form, proved, *steps))

    def signed_in(self, form: Form, account: Account, by: Step) -> tuple[Attempt, list[Step]]:
        """The attempt with an account that the step `by` proved, and the steps that it takes."""
        proved = with_account(form.attempt, require_account(account))
        needs_code = not self.passes(account)
        self._trail.signed_in(form.attempt)
        if needs_code:
            return proved, [by]
        return self._identified(proved), [by, Step.NEED_NO_SECOND_FACTOR, Step.SHOW_CONSENT]

    def account_asked_for_code(self, form: Form) -> Account:
        """The account that a second factor's form is for: its password was given in this attempt, or it is
        signed in at the site."""
        if form.is_of_session and form.kept is not None:
            if form.kept.stage is not Stage.PASSWORD_GIVEN or form.kept.account is None:
                raise MovedOn(Held(form.kept))
            return form.kept.account
        return self._same_account_of_site(form.ticket)

    def pass_code(self, form: Form, account: Account, code: str) -> Held | None:
        """Check a second factor's code: on to the consent with a right one, None for a wrong one.

        Raises `TooManyAttempts` and `SecondFactorLocked`, and `MovedOn` when the attempt has changed since.
        """
        if not self.passes(account, code):
            return None
        now = self._linking.now()
        proved = replace(with_account(form.attempt, account), second_factor_at=now)
        steps = [] if form.is_of_session else [Step.GIVE_PASSWORD]
        stage = after(form.attempt.stage, *steps, Step.PASS_SECOND_FACTOR, Step.SHOW_CONSENT)
        self._trail.signed_in(form.attempt)
        held = self.take(replace(self._identified(proved), stage=stage), form.kept)
        return self.note_consent(held or self.raise_moved_on(form))

    def note_consent(self, held: Held) -> Held:
        """Tell the funnel of an attempt that is at the consent, and return it."""
        if held.attempt.stage is Stage.CONSENT_SHOWN:
            self._trail.consent_shown(held.attempt)
        return held

    def approve(self, form: Form, *, locale: str) -> tuple[str, Held]:
        """Commit a pending code: the consent button was pressed. Raises `MovedOn` to the second factor where
        the account has one by now and gave no code in this attempt."""
        if form.ticket.way in SITE_PAGES:  # it proves no chat
            raise Notice("broken")
        attempt = self._at_consent(form)
        if attempt.second_factor_at is None and not self.passes(account_of(attempt)):
            raise MovedOn(self._ask_second_factor(form, account_of(attempt)))
        attempt = self._bound(attempt)
        session = None
        if attempt.stage is Stage.OPENED:  # signed in at the site: nothing was kept until now
            session = self._browser.first_session(attempt.attempt_id, form.kept)
            attempt = replace(attempt, session_digest=digest_of_session(session))
        typed = self._typed(attempt, session or self._browser.session_of(attempt.attempt_id))
        code = self._linking.approve(attempt, locale=locale, replaces=form.ticket.replaces, typed=typed)
        if code is None:
            raise Notice("expired", back=form.ticket.return_url)
        if form.kept is None or form.kept.stage is not Stage.APPROVED:
            self._trail.consented(attempt)
        return code, Held(attempt, session)

    def digits(self, attempt: Attempt) -> str:
        """The digits that the page of an approved web link shows, to be typed in the chat. They are computed
        from the attempt's secret in the browser, so no store keeps them."""
        return digits_of(self._browser.session_of(attempt.attempt_id) or "", attempt.attempt_id)

    def _typed(self, attempt: Attempt, session: str | None) -> str | None:
        """The digest of the digits that the chat must type to redeem the code; None where it need not."""
        needs_digits = attempt.way == WEB and self._settings.web_proof == "digits"
        if not needs_digits or session is None or attempt.psid is None:
            return None
        return digest_of_digits(attempt.psid, digits_of(session, attempt.attempt_id))

    def link_at_once(self, attempt: Attempt, code: str) -> None:
        """Redeem the code now: for a way that needs no answer of the chat."""
        assert attempt.page_id is not None, "a proved attempt has a page"
        assert attempt.psid is not None, "a proved attempt has a person"
        self._linking.receive([LinkingEvent(attempt.page_id, attempt.psid, "linked", code)])

    def leave(self, form: Form) -> Held:
        """Leave an attempt: cancelled, or on to another account. It loses its account and its codes."""
        for _ in range(TRIES):
            before = self._linking.attempt_of(form.attempt.attempt_id)
            try:
                left = replace(
                    without_account(before or form.attempt), stage=after(stage_of(before), Step.LEAVE)
                )
            except StepRefused:
                break
            if before is not None:
                if self._linking.keep(left, before=before):
                    return Held(left)
            elif held := self._take_if_few(left):
                return held
        return Held(form.attempt)

    def profile(self, form: Form) -> Profile:
        """The chat of a login that is cancelled, as far as Messenger says. It is asked within a limit for
        each address."""
        attempt = form.attempt
        psid = attempt.psid or form.ticket.psid
        if psid is not None or attempt.way in SITE_PAGES:
            return Profile(attempt.page_id or form.ticket.page_id, psid)
        admit = partial(self._admission.count_cancel, self._browser.address())
        try:
            return self._identity.of(attempt.linking_token, attempt.page_hint, with_name=False, admit=admit)
        except (TooManyAttempts, TokenExpired, IdentityRefused, IdentityBusy):
            return Profile()

    def with_account_of_site(self, attempt: Attempt, account: Account) -> Attempt:
        """The attempt with the account that is signed in at the site. The store keeps it when a button is
        pressed."""
        self._trail.signed_in(attempt)
        identified = self._identified(with_account(attempt, account), self._admission.count_look)
        self._trail.consent_shown(identified)
        return identified

    def passes(self, account: Account, code: str | None = None) -> bool:
        return self.second_factor is None or self.second_factor(account, code)

    # Helpers of the steps

    def _step(self, form: Form, proved: Attempt, *steps: Step) -> Held:
        """Take these steps from the attempt's present stage: a proof is good at any stage that allows
        them."""
        for _ in range(TRIES):
            before = self._linking.attempt_of(proved.attempt_id)
            try:
                stage = after(stage_of(before), *steps)
            except StepRefused as refusal:
                raise Notice(refusal.stage, back=form.ticket.return_url, ticket=form.ticket) from None
            if held := self.take(replace(proved, stage=stage), before):
                return held
        return self.raise_moved_on(form)

    def take(self, attempt: Attempt, before: Attempt | None, session: str | None = None) -> Held | None:
        """Keep an attempt under a new secret; None when another request was faster."""
        session = session or new_session()
        attempt = replace(attempt, session_digest=digest_of_session(session))
        return Held(attempt, session) if self._linking.keep(attempt, before=before) else None

    def _take_if_few(self, attempt: Attempt) -> Held | None:
        try:
            self._admission.count_kept(self._browser.address())
        except TooManyAttempts:
            return Held(attempt)
        return self.take(attempt, None)

    def raise_moved_on(self, form: Form) -> NoReturn:
        """Lead to the attempt as it is: another request of this browser has changed it meanwhile."""
        kept = self._linking.attempt_of(form.attempt.attempt_id)
        raise MovedOn(Held(kept)) if kept else Notice("expired", back=form.ticket.return_url)

    def _at_consent(self, form: Form) -> Attempt:
        """The attempt of a consent form, with the account that its page named."""
        if not form.is_of_session:
            account = self._same_account_of_site(form.ticket)
            ticket, kept = form.ticket, form.kept
            is_same = kept is not None and kept.account is not None and kept.account.id == account.id
            return replace(
                ticket.attempt(),
                account=account,
                page_id=ticket.page_id,
                psid=ticket.psid,
                second_factor_at=kept.second_factor_at if kept is not None and is_same else None,
            )
        assert form.kept is not None
        if not allows(form.kept.stage, Step.APPROVE):
            raise MovedOn(Held(form.kept))
        return form.kept

    def _same_account_of_site(self, ticket: Ticket) -> Account:
        account = self.account_of_site()
        if account is None or ticket.account_id != account.id:
            raise Notice("expired", back=ticket.return_url)
        return account

    def _ask_second_factor(self, form: Form, account: Account) -> Held:
        """Lead to the second factor, which was switched on since this attempt came to the consent."""
        if not form.is_of_session:
            return self._step(form, with_account(form.attempt, account), Step.GIVE_PASSWORD)
        stage = after(form.attempt.stage, Step.ASK_SECOND_FACTOR)
        held = self.take(replace(form.attempt, stage=stage, refusal=None), form.kept)
        return held or self.raise_moved_on(form)

    def _bound(self, attempt: Attempt) -> Attempt:
        """The attempt with the person whom the code is bound to. Messenger is asked again where the linking
        token may have expired. While Messenger is away the code stays unbound; a strict bot refuses then."""
        if attempt.way != LOGIN:
            return attempt
        is_old = self._linking.now() - attempt.opened_at > LINKING_TOKEN_AGE_MS
        if attempt.psid is None or is_old:
            profile = self._identify(attempt, with_name=False)
            if profile.psid is not None:
                attempt = replace(attempt, page_id=profile.page_id, psid=profile.psid)
            elif self._settings.strict:
                self._tell(LinkingRefused("messenger_silent", way=LOGIN))
                raise Notice("silent", 503, retry_after=10, back=attempt.return_url)
        return replace(attempt, page_id=attempt.page_id or self._linking.page_id)

    def _identified(self, attempt: Attempt, count: Count | None = None) -> Attempt:
        """The attempt with its chat and the name of the person there."""
        profile = self._identify(attempt, count)
        return replace(attempt, page_id=profile.page_id, psid=profile.psid, profile_name=profile.name)

    def _identify(self, attempt: Attempt, count: Count | None = None, *, with_name: bool = True) -> Profile:
        """Ask Messenger whose login it is, within the limits. Raises `Notice` where no person can be
        linked."""
        if attempt.way in SITE_PAGES:
            return Profile()
        count = count or self._admission.count_question
        admit = partial(count, account_of(attempt).id, self._browser.address())
        token, hint, back = attempt.linking_token, attempt.page_hint, attempt.return_url
        try:
            if attempt.way != LOGIN and attempt.page_id is not None and attempt.psid is not None:
                return self._identity.named(Recipient(attempt.page_id, attempt.psid), admit=admit)
            return self._identity.of(token, hint, with_name=with_name, admit=admit)
        except TokenExpired:
            raise Notice("expired", back=back) from None
        except IdentityRefused:
            self._tell(LinkingRefused("messenger_refused", way=LOGIN))
            raise Notice("silent", 503, back=back) from None
        except IdentityBusy:
            raise Notice("silent", 503, retry_after=10, back=back) from None
        except TooManyAttempts as refusal:
            self._tell(LinkingRefused(refusal.slug, way=attempt.way))
            raise Notice("many", 429, retry_after=refusal.retry_after, back=back) from None


def _of_web_link(ticket: Ticket, linking: Linking) -> Ticket:
    """The ticket with the chat of its web link, at any age of the link. Raises `Notice` where the web link
    has linked or was ended."""
    link = linking.store.find_web_link(ticket.proof or "", now=0)
    if link is None:
        raise Notice("web_over")
    return replace(ticket, page_id=link.page_id, psid=link.psid)
