"""The verbs: look up, approve, receive, unlink, erase. Each is one transition of the store, then its signals.

Signals are sent after the store has committed, so they tell only what happened.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bot_linking.core.codes import UNBOUND_MAX_AGE_S, digest_of, mint_code
from bot_linking.core.conflicts import (
    CANNOT_ASK,
    Conflict,
    Consent,
    Foresight,
    Policy,
    PolicyFailed,
    for_later,
    foresee,
)
from bot_linking.core.errors import AccountUnknown, DeliveryFailed, PageUnknown, StoreAbsent, StoreUnavailable
from bot_linking.core.events import (
    AccountUnlinked,
    EventIgnored,
    LinkingEvent,
    LinkingRefused,
    LoginCancelled,
    Outcome,
    PersonErased,
)
from bot_linking.core.history import NO_AUDIT, Audit, Change
from bot_linking.core.hooks import NO_HOOKS, Hooks
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.journey import MAX_AGE_MS, stage_at
from bot_linking.core.links import Account, Link
from bot_linking.core.log_throttle import log_failure
from bot_linking.core.ports import Attempt, Counters, SolePage, Store, Tell
from bot_linking.core.ports.links import Import
from bot_linking.core.reading import is_storable, require_storable
from bot_linking.core.undoing import Undoing

_log = logging.getLogger("bot_linking")


class Linking:
    """What linking means, over a store. `tell` is called with each event; `wake` is called when the outbox
    may have something new. Where a call names no page, `sole_page` knows which is meant, or else it is
    `page_id`. `counters` count tries in place of the store."""

    def __init__(
        self,
        store: Store,
        *,
        tell: Tell,
        wake: Callable[[], None] = lambda: None,
        hooks: Hooks = NO_HOOKS,
        page_id: str | None = None,
        code_max_age: int = 300,
        sole_page: SolePage | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.store = store
        self.counters: Counters = counters or store
        self._page_id = page_id
        self._sole_page = sole_page
        self._tell = tell
        self._wake = wake
        self._clock = hooks.clock
        self._code_max_age = code_max_age
        self._may_link = hooks.may_link
        self._resolve_account = hooks.resolve_account
        self._people_sign_in = hooks.people_sign_in
        self._asked_page: str | None = None
        self.policy = Policy(hooks.on_conflict)
        self.undoing = Undoing(store, now=self.now, tell_all=self.tell_all, allows=self.allows)

    @property
    def page_id(self) -> str | None:
        """The id of the only page; None where there are several, or where its id is not known."""
        return self._sole_page.sole_id() if self._sole_page is not None else self._page_id

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return int(self._clock() * 1000)

    @property
    def knows_accounts_twice(self) -> bool:
        """Whether one customer may have two accounts: the one that they sign in to, and one that the API
        makes of a name, as there is no `resolve_account`."""
        return self._people_sign_in and self._resolve_account is None

    # Look up

    def link_of(self, psid: str, page_id: str | None = None) -> Link | None:
        page_id = page_id or self.page_id
        if page_id is not None:
            return self.store.find_link(page_id, psid)
        links = self.store.find_links_of_psid(psid)
        if len(links) > 1:
            raise PageUnknown("this PSID is linked on several pages; say which with page_id=")
        return links[0] if links else None

    def links_of(self, account_id: str) -> list[Link]:
        return self.store.find_links_of_account(account_id)

    def history_of(self, psid: str, page_id: str | None = None) -> list[Change]:
        return self.store.history_of(page_id or self.page_id, psid)

    def only_page(self) -> str:
        """The page that is meant where a call names none. Raises `PageUnknown` when several are possible."""
        page_id = self.page_id
        if page_id is not None:
            return page_id
        if self._sole_page is None or not self._sole_page.is_one():
            raise PageUnknown("several pages are configured; say which")
        with suppress(StoreAbsent):
            known = self.store.find_pages()
            if len(known) == 1:
                return known[0]
        self._asked_page = self._asked_page or _ask_for_page(self._sole_page)
        return self._asked_page

    # Approve, on the linking pages

    def attempt_of(self, attempt_id: str) -> Attempt | None:
        """A kept attempt, whose stage is `expired` where its time is over; None when none has this id. The
        caller checks whose attempt it is."""
        attempt = self.store.find_attempt(attempt_id)
        if attempt is None:
            return None
        stage = stage_at(attempt.stage, expires_at=attempt.expires_at, now=self.now())
        return replace(attempt, stage=stage)

    def keep(self, attempt: Attempt, *, before: Attempt | None = None) -> bool:
        """Keep an attempt after a step. False where another request has changed it since `before` was read,
        or, without `before`, has kept it first.

        `ValueError` for an account whose id is one that `Account.known_by` makes of a name.
        """
        _require_own_id(attempt.account)
        expires_at = attempt.opened_at + MAX_AGE_MS
        return self.store.save_attempt(replace(attempt, expires_at=expires_at), before=before)

    def foresee(self, page_id: str, psid: str, account: Account, *, source: str) -> Foresight:
        """What linking this chat to this account would replace and end, and whether it is allowed, for the
        page that asks. The transaction that links judges again. `StoreUnavailable` when the policy fails."""
        link = self.store.find_link(page_id, psid)
        links = self.store.find_links_of_account(account.id)
        others = tuple(each for each in links if (each.page_id, each.psid) != (page_id, psid))
        return foresee(self.policy, Conflict(link, account, others, source))

    def approve(
        self,
        attempt: Attempt,
        *,
        locale: str | None = None,
        replaces: str | None = None,
        typed: str | None = None,
    ) -> str | None:
        """A new authorization code for a consent, committed before it is returned. `replaces` is the account
        that the person was told would be replaced. With `typed`, the digest of digits, the chat names the
        code by typing them, until the attempt ends.

        For an attempt without a PSID the code lives a minute at most. None when the attempt is no longer at
        the consent: it has ended, is another account's, or has all its codes. `ValueError` as with `keep`.
        """
        _require_own_id(attempt.account)
        max_age = self._code_max_age if attempt.psid else min(UNBOUND_MAX_AGE_S, self._code_max_age)
        code, now = mint_code(), self.now()
        ends = attempt.opened_at + MAX_AGE_MS if typed is not None else now + max_age * 1000
        if self.store.save_code(digest_of(code), attempt, locale, now, ends, replaces=replaces, typed=typed):
            return code
        self._tell(LinkingRefused("attempt_over", attempt.page_id, attempt.psid, way=attempt.way))
        return None

    def cancel(self, page_id: str | None, psid: str | None) -> LoginCancelled:
        """A person declined: forget what they had been prompted for, so that they are not asked again."""
        resume = self.store.take_resume(page_id or "", psid) if psid else None
        cancelled = LoginCancelled(page_id, psid, resume)
        self._tell(cancelled)
        return cancelled

    def drop_pending(self, account_id: str) -> None:
        """End the pending codes and attempts of an account: call it when a password changes or an account is
        disabled."""
        require_storable(account_id=account_id)
        self.store.drop_pending(account_id)

    # Receive, from Messenger

    def receive(self, events: Sequence[LinkingEvent]) -> list[Outcome]:
        """Apply the linking events of one POST in one transaction, and return their outcomes.

        Raises `StoreUnavailable` when Messenger must send them again: the store could not apply them, or the
        site could not say whether an account may be linked (then the other events are applied).
        """
        answers = [(event, self._answer_of_site(event)) for event in events]
        outcomes = [
            self.store.refuse(event, "account_refused", self.now())
            for event, answer in answers
            if answer is False
        ]
        failed = StoreUnavailable("may_link did not answer") if any(a is None for _, a in answers) else None
        if allowed := [event for event, answer in answers if answer]:
            try:
                outcomes += self.store.receive(allowed, self.now(), policy=self.policy)
            except PolicyFailed as problem:
                failed, outcomes = for_later(problem), outcomes + problem.outcomes
        self.tell_all(outcomes)
        if failed is not None:
            raise failed
        return outcomes

    def tell_all(self, outcomes: Sequence[Outcome]) -> None:
        """Send the events of a transition of the store, after its commit, and wake the outbox."""
        for outcome in outcomes:
            self._tell(outcome)
        if any(not isinstance(outcome, EventIgnored) for outcome in outcomes):
            self._wake()

    def _answer_of_site(self, event: LinkingEvent) -> bool | None:
        """Whether the site allows the code's account to be linked, by `may_link`; None when that failed."""
        if self._may_link is None or event.digest is None:
            return True
        account_id = self.store.account_of_code(event.digest)
        if account_id is None:
            return True
        with suppress(StoreUnavailable):
            return self.allows(account_id)
        return None

    def allows(self, account_id: str) -> bool:
        """Whether `may_link` allows this account to be linked. Raises `StoreUnavailable` when that fails."""
        if self._may_link is None:
            return True
        try:
            return bool(self._may_link(account_id))
        except Exception:
            log_failure(_log, "may_link failed; Messenger will send the event again")
            raise StoreUnavailable("may_link did not answer") from None

    def wake(self) -> None:
        """Wake the delivery: the outbox may have something new."""
        self._wake()

    # Bind, unlink and erase

    def bind(
        self,
        psid: str,
        given: Identifiers,
        page_id: str | None = None,
        *,
        source: str,
        audit: Audit = NO_AUDIT,
        consent: Consent = CANNOT_ASK,
    ) -> Outcome:
        """Link a person by the identifiers that the site has of them, without the linking pages; the
        confirmation follows through the outbox.

        A person who is linked is updated: what is given replaces what was there. The same identifiers again
        are `EventIgnored`; what the host's policy forbids is `LinkingRefused`. Raises `AccountUnknown` when
        `resolve_account` knows none, `StoreUnavailable` when it fails, `PageUnknown`, and `PolicyFailed`.
        """
        page_id = page_id or self.only_page()
        require_storable(psid=psid, page_id=page_id)
        account = self._resolve(page_id, psid, given)
        terms: dict[str, Any] = {"audit": audit, "policy": self.policy, "consent": consent}
        outcomes = self.store.bind(page_id, psid, given, source, self.now(), account=account, **terms)
        self.tell_all(outcomes)
        return outcomes[0]

    def _resolve(self, page_id: str, psid: str, given: Identifiers) -> Account | None:
        """The site's account with these identifiers, by `resolve_account`; an identifier that is not given is
        taken from the present link. None without that hook."""
        if self._resolve_account is None:
            return None
        known = given.over(self.store.find_link(page_id, psid))
        try:
            account = self._resolve_account(known["username"], known["email"], known["phone_number"])
        except Exception as problem:
            log_failure(_log, "resolve_account failed; the call is refused and may be repeated")
            raise StoreUnavailable("resolve_account did not answer") from problem
        if account is None:
            raise AccountUnknown("no account has these identifiers")
        return account

    def import_links(
        self, links: Sequence[Link], *, tell: bool = False, replace: bool = False, judge_only: bool = False
    ) -> list[list[Outcome]]:
        """Import links of another system in one transaction, each person once. Returns the outcomes of each,
        by the store's contract. `may_link` and `resolve_account` are not called; the policy holds, and
        `replace` agrees to what it would ask for. With `tell` each person gets the confirmation and signals
        are sent; without it neither happens. With `judge_only` nothing is written."""
        how = Import(self.policy, CANNOT_ASK if replace else Consent(), tell, judge_only)
        outcomes = self.store.import_links(links, how, self.now())
        if tell and not judge_only:
            self.tell_all([outcome for each in outcomes for outcome in each])
        return outcomes

    def unlink(
        self,
        psid: str,
        page_id: str | None = None,
        *,
        source: str = "python",
        audit: Audit = NO_AUDIT,
    ) -> bool:
        """Unlink in the store at once; the farewell and the call that unlinks at Messenger follow through the
        outbox. False when there was no link; the proofs of the chat end all the same."""
        link = self.link_of(psid, page_id)
        page_id = link.page_id if link else page_id or self.page_id
        if page_id is None or not (is_storable(psid) and is_storable(page_id)):
            return False
        outcome = self.store.unlink(page_id, psid, source, self.now(), audit=audit)
        if link is None and not isinstance(outcome, AccountUnlinked):
            return False
        self._tell(outcome)
        self._wake()
        return isinstance(outcome, AccountUnlinked)

    def unlink_account(self, account_id: str, *, source: str = "python") -> int:
        """End every link of an account, after its logins under way and its undos, so that no link comes back.
        Returns the number of links that ended; a chat that has another account by now stays linked."""
        _drop_ways_back(self, account_id)
        ended = 0
        for link in self.links_of(account_id):
            outcome = self.store.unlink(link.page_id, link.psid, source, self.now(), account_id=account_id)
            self._tell(outcome)
            ended += isinstance(outcome, AccountUnlinked)
        self.store.drop_undos_of_account(account_id)  # those of changes that came meanwhile
        if ended:
            self._wake()
        return ended

    def erase(
        self,
        psid: str,
        page_id: str | None = None,
        *,
        asked: str | None = None,
        account_id: str | None = None,
    ) -> int:
        """Remove everything about a person; the number of rows. `asked` is the counter of the question that
        the chat has answered; the chat is then told. With `account_id`, a chat with another account stays."""
        require_storable(psid=psid, page_id=page_id)
        rows = self.store.erase(page_id, psid, self.now(), asked=asked, account_id=account_id)
        self._tell(PersonErased(rows))
        return rows

    def erase_account(self, account_id: str) -> int:
        """Erase every person who is linked to an account, its logins under way, and the history that names
        it. Returns the number of rows; a chat that is linked to another account by now stays."""
        _drop_ways_back(self, account_id)
        links = self.store.find_links_of_account(account_id)
        rows = sum(self.erase(link.psid, link.page_id, account_id=account_id) for link in links)
        self.store.drop_undos_of_account(account_id)
        return rows + self.store.erase_account(account_id, self.now())

    # What has to be said later

    def queue(self, page_id: str, psid: str, kind: str, payload: Any) -> None:
        """Add an entry to the outbox; it is delivered in this person's order."""
        self.store.queue(page_id, psid, kind, payload, self.now())
        self._wake()

    # What was interrupted

    def remember(self, psid: str, resume: Any, page_id: str | None = None) -> None:
        """Keep what a person was doing until they are linked, for an hour at most."""
        require_storable(psid=psid, page_id=page_id)
        self.store.save_resume(page_id or self.page_id or "", psid, resume, self.now())


def _require_own_id(account: Account | None) -> None:
    """Refuse an id that is made of a name: any caller of the API could make the same, without a sign-in."""
    if account is not None and account.is_known_by_name:
        raise ValueError(
            "a sign-in returned an account whose id begins with username:, email: or tel:, "
            "as ids do that are made of a name; return the site's own id"
        )


def _ask_for_page(sole_page: SolePage) -> str:
    page_id = None
    with suppress(DeliveryFailed):
        page_id = sole_page.ask()
    if page_id is None:
        raise PageUnknown("Messenger does not say which page it is: set BOT_LINKING_PAGE_ID")
    return page_id


def _drop_ways_back(linking: Linking, account_id: str) -> None:
    """End everything by which a chat could be linked to this account again without a new consent."""
    linking.drop_pending(account_id)
    linking.store.drop_undos_of_account(account_id)
