"""The store's role for the domain itself: who is linked, what changed that, and what is remembered of it.

What every change of a link does, in the transaction of that change:

- The **row** of the person keeps the account and its identifiers, the language, who made the link, and the
  times that `core.ordering.Person` names. A link to the same account as before keeps `linked_at`, and keeps
  an identifier that the new link leaves out. An unlinked person has no account and no identifiers, but the
  row stays for `core.ordering`. Ticks count the codes that were ever saved, by the store's own count.
- What a link to another account **replaced** is kept for `core.ports.owners`, as long as it is the newest.
- The **history** gets one `Change`, unless neither the account nor an identifier changed.
- The **outbox** gets the news: entries `linked`, `unlinked`, `unlink_call` and `refused` of this person
  that are neither leased nor dead are removed, then `linked` or `unlinked` is added, due at once. Where our
  side unlinked (`source` is not `messenger`), an `unlink_call` follows. Where an account was linked that
  was not before, what the person was doing (`save_resume`, on this page or without a page, at most an hour
  old) is taken, given back with `AccountLinked`, and added as a `resume` entry behind the news.
- The **followers** hear of the outcome before the commit, and may write into the same transaction.

Two changes of one person never overlap: the second begins when the first has committed, and sees it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bot_linking.core.conflicts import Consent, Policy
from bot_linking.core.events import LinkingEvent, Outcome
from bot_linking.core.history import NO_AUDIT, Audit, Change
from bot_linking.core.identifiers import Identifiers
from bot_linking.core.links import Account, Link


class Contact(NamedTuple):
    """How to write to a person: the `locale` in which they last used the linking pages, and when they last
    made an event that concerned a link (ms). None where it is not known."""

    locale: str | None = None
    heard_at: int | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """How links are taken over: by whose policy, with what consent, whether people are told, and whether
    anything is written at all."""

    policy: Policy
    consent: Consent
    tell: bool = False
    judge_only: bool = False


class Links(Protocol):
    """Links, each of one person on one page, and their history."""

    def find_link(self, page_id: str, psid: str) -> Link | None:
        """The link of this person on this page, as any process last committed it; None when they are not
        linked. A bot asks this on every message: one look-up by key."""

    def find_links_of_psid(self, psid: str) -> list[Link]:
        """The person's links on all pages, by page id, at most two: enough to know that it is ambiguous."""

    def find_links_of_account(self, account_id: str) -> list[Link]:
        """Every person who is linked to this account now; the one who changed longest ago comes first."""

    def list_links(self) -> Iterator[Link]:
        """Every link once, by page id and PSID, read in portions as the caller goes on. A link that is made
        or ended meanwhile may be in it or not. Each portion may raise `StoreUnavailable`."""

    def find_pages(self) -> list[str]:
        """The lowest and the highest page id that the store remembers, sorted and without repetition. One id
        means that only this page was ever used; an empty list means that no person is remembered."""

    def contact_of(self, page_id: str, psid: str) -> Contact:
        """How to write to this person, as long as they are remembered, linked or not."""

    def restore_named_ids(self) -> int:
        """For a site that resolves accounts: give the links back the ids that an upgrade had taken for names.
        How many links; a second time there are none. What was linked or unlinked since stays."""

    def history_of(self, page_id: str | None, psid: str) -> list[Change]:
        """What happened to this person's links, oldest first; on every page where `page_id` is None."""

    def receive(self, events: Sequence[LinkingEvent], now: int, *, policy: Policy = ...) -> list[Outcome]:
        """Apply the events of one POST, in their order, in one transaction; one outcome for each, in that
        order, with those of the chats that an event's link ends behind it.

        `linked`: the code is found by its digest, and `core.ordering.refusal_of` judges it. A duplicate is
        `EventIgnored("duplicate")`. A refusal is `LinkingRefused`, leaves the code as it is, and adds a
        `refused` entry, at most one for each person in ten minutes; an unknown code that is not shaped as
        ours (`core.codes.is_shaped_as_ours`) is another app's, and adds none. Otherwise every code of the
        same attempt is consumed by this person, and a code that `core.ordering.is_outrun` is
        `EventIgnored("stale")`. Then `core.conflicts` judges, with the account that the code replaces as
        what the person agreed to: a refusal is `LinkingRefused` (`pair_barred` where this pair was undone
        within a day, `conflict_refused`, `conflict_not_agreed`) with the `refused` entry. Else the person
        is linked: `AccountLinked`, or `EventIgnored("unchanged")` without any news where the account is the
        same as before; the chats that the verdict ends are `AccountUnlinked`, as by `unlink`.

        `unlinked`: its timestamp is kept, to know it again for 400 days. Without a link it is
        `EventIgnored("not_linked")`, and a timestamp that is later than that of the last unlink takes its
        place. When `core.ordering.is_stale_unlink`, it is `EventIgnored("stale")`. Else the link ends:
        `AccountUnlinked`, with the event's timestamp as the time of the unlink, or that of the link's own
        event where it has none; a time of an earlier unlink that is later stays.

        An event whose values the database cannot keep is buried as an `event` entry (payload: status and
        timestamp), its outcome is `LinkingRefused("event_failed")`, and it harms no other event. An event
        for which the policy fails changes nothing, the others are applied, and `PolicyFailed` is raised.
        `StoreUnavailable`: no event was applied, and Messenger must send all of them again.
        """

    def refuse(self, event: LinkingEvent, reason: str, now: int) -> Outcome:
        """Turn a `linked` event away for a reason that is not in its code, and use the code up.

        All codes of the attempt are consumed by this person; `LinkingRefused(reason)`, with the `refused`
        entry as in `receive`. A code that is unknown or consumed already is `EventIgnored("duplicate")`.
        """

    def unlink(
        self,
        page_id: str,
        psid: str,
        source: str,
        now: int,
        *,
        account_id: str | None = None,
        audit: Audit = NO_AUDIT,
    ) -> Outcome:
        """End a link by our side, with `now` as the time of the unlink; with `account_id`, only a link to
        this account. `AccountUnlinked`, or `EventIgnored("not_linked")`, which writes nothing. `audit` goes
        into the history."""

    def bind(
        self,
        page_id: str,
        psid: str,
        given: Identifiers,
        source: str,
        now: int,
        *,
        account: Account | None = None,
        audit: Audit = NO_AUDIT,
        policy: Policy = ...,
        consent: Consent = ...,
    ) -> list[Outcome]:
        """Link or update a person by what the site gave; `core.identifiers.account_after` names the account.

        `EventIgnored("unchanged")` when the link has this account and these identifiers already; that writes
        nothing and waits for no lock. `LinkChanged` when the account stays and an identifier changes: source
        and `linked_at` stay, and the news is sent again. Else, where `core.conflicts` allows it,
        `AccountLinked`; such a link has no event's timestamp and the code tick 0. The chats that the verdict
        ends follow, as in `receive`. The decision is made inside the transaction. Raises `PolicyFailed`.
        """

    def import_links(self, links: Sequence[Link], how: Import, now: int) -> list[list[Outcome]]:
        """Link many people in one transaction, each once, as another system knew them. For each, in their
        order: what came of it, then the other chats of the account that ended with it.

        A person who is not linked, or to another account, is `AccountLinked` with the values given, times
        included; `LinkingRefused` where the policy, after this consent, does not allow it, or the pair is
        barred. To the same account, what is given replaces what was there, `linked_at` stays, and it is
        `LinkChanged`, or `EventIgnored("unchanged")`, which writes nothing. `source` is taken as it is given.
        The history is written, and what was replaced can be undone. Unless `tell`, the outbox gets no news,
        nothing is resumed, and followers who only tell do not hear of it. `judge_only` writes nothing.
        """

    def erase(
        self,
        page_id: str | None,
        psid: str,
        now: int,
        *,
        asked: str | None = None,
        account_id: str | None = None,
    ) -> int:
        """Remove every row about a person, on every page where `page_id` is None; the number of rows.

        Links, attempts, seen timestamps, interrupted work, outbox, history and the followers' rows go. Codes
        that Messenger bound to the person stay as consumed digests without a name, so that they cannot be
        used; pending codes and attempts without a PSID go when their account was linked to the person. When
        this returns, as little as the database allows is left in its files. The list of erasures
        (`core.ports.erasures`) gets the digest of the PSID, so that no backup brings the person back.

        `asked` is the counter of a question that this very chat has answered: it goes with the rest, and the
        chat is told what was done by an outbox entry (`say`, `erased`) of the same transaction, once. With an
        `account_id` nothing is done unless the chat on this page is linked to that account.
        """

    def erase_account(self, account_id: str, now: int) -> int:
        """Remove what is kept about an account beside the chats that are linked to it; the number of rows.

        Its attempts without a PSID, its chat links, its bars and the lines of history that name it go; its
        codes stay as consumed digests without a name. Links are left alone: erase their people before.
        """
