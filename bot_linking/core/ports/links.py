"""The store's role for the domain itself: who is linked, what changed that, and what is remembered of it.

What every change of a link does, in the transaction of that change:

- The **row** of the person keeps the account and its identifiers, the language, who made the link, and the
  times that `core.ordering.Person` names. A link to the same account as before keeps `linked_at`, and keeps
  an identifier that the new link leaves out. An unlinked person has no account and no identifiers, but the
  row stays for `core.ordering`. Ticks count the codes that were ever saved, by the store's own count.
- What a link to another account **replaced** is kept for `core.ports.owners`, until the next such link or
  the unlink.
- An unlink ends the **proofs** of the chat: its web links, its codes to be typed, and its question.
- The **history** gets one `Change`, unless neither the account nor an identifier changed.
- The **outbox** gets the news: entries `linked`, `unlinked`, `unlink_call` and `refused` of this person
  that are neither leased nor dead are removed, then `linked` or `unlinked` is added, due at once. An
  `unlink_call` follows where Messenger may still hold the link: our side unlinked (`source` is not
  `messenger`), or the event was made by our own Log Out button. Where the account is another than before,
  what the person was doing (`save_resume`, on this page or without a page, at most an hour old) is taken,
  returned with `AccountLinked`, and added as a `resume` entry behind the news.
- The **followers** are called with the outcome before the commit, and may write into the same transaction.

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
    did something in the chat that concerned a link (ms). None where it is not known."""

    locale: str | None = None
    heard_at: int | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """How links are imported: the policy and the consent that it is judged with, whether people are told, and
    whether the links are only judged, and nothing is written."""

    policy: Policy
    consent: Consent
    tell: bool = False
    judge_only: bool = False


class Links(Protocol):
    """Links, each of one person on one page, and their history."""

    def find_link(self, page_id: str, psid: str) -> Link | None:
        """The link of this person on this page; None when they are not linked. A bot asks this on every
        message: it is one look-up by key, and waits for no writer."""

    def find_links_of_psid(self, psid: str) -> list[Link]:
        """The person's links on all pages, by page id, at most two: two are enough to see that the PSID alone
        names no single link."""

    def find_links_of_account(self, account_id: str) -> list[Link]:
        """Every link to this account; the one that was changed longest ago comes first."""

    def list_links(self) -> Iterator[Link]:
        """Every link once, by page id and PSID, read in portions as the caller iterates. A link that is made
        or ended meanwhile may be included or not. Each portion may raise `StoreUnavailable`."""

    def find_pages(self) -> list[str]:
        """The lowest and the highest page id of the people that the store remembers, linked or not. One id
        means that all are of this page; an empty list means that no person is remembered."""

    def contact_of(self, page_id: str, psid: str) -> Contact:
        """How to write to this person, linked or not; an empty `Contact` when the store does not remember
        them."""

    def restore_named_ids(self) -> int:
        """Undo one step of an upgrade, for a site with `resolve_account`: the upgrade took ids that the site
        had named for ids made of names (`username:ada`). Put the site's own ids back, in one transaction, and
        return the number of links; a second call returns 0. A link that was changed since stays as it is."""

    def history_of(self, page_id: str | None, psid: str) -> list[Change]:
        """The changes of this person's links, oldest first; on every page where `page_id` is None."""

    def receive(self, events: Sequence[LinkingEvent], now: int, *, policy: Policy = ...) -> list[Outcome]:
        """Apply the events of one POST, in their order, in one transaction; one outcome for each, in that
        order, with those of the chats that an event's link ends behind it.

        `linked`: the code is found by its digest, and `core.ordering.refusal_of` judges it. A duplicate is
        `EventIgnored("duplicate")`. A refusal is `LinkingRefused`, leaves the code as it is, and adds a
        `refused` entry, at most one for each person in ten minutes; an unknown code that is not shaped as
        ours (`core.codes.is_shaped_as_ours`) is another app's, and adds no entry. Otherwise this person
        consumes every code of the same attempt and of the same proof, the attempt's stage becomes `done`, and
        a code that `core.ordering.is_outrun` is `EventIgnored("stale")`. Then `core.conflicts` judges; what
        the person agreed to is the account that the code replaces. A refusal is `LinkingRefused`
        (`pair_barred` where this pair was undone within a day, with a `say` entry; `conflict_refused` or
        `conflict_not_agreed`, with the `refused` entry). Else the person is linked: `AccountLinked`, or
        `EventIgnored("unchanged")` without any news where the account is the same as before; the chats that
        the verdict ends are `AccountUnlinked`, as by `unlink`. The outcome of a code that was found
        unconsumed has the time of the consent (`consented_at`), and the way where it linked nothing.

        `unlinked`: its timestamp is kept for 400 days, to recognise a redelivery. Without a link it is
        `EventIgnored("not_linked")`, and a timestamp that is later than that of the last unlink takes its
        place. When `core.ordering.is_stale_unlink`, it is `EventIgnored("stale")`. Else the link ends:
        `AccountUnlinked`. The time of the unlink is the event's timestamp, or that of the link's own event
        where the event has none; the time of an earlier unlink stays where that is later.

        An event whose values the database cannot keep is buried as an `event` entry (payload: status and
        timestamp), its outcome is `LinkingRefused("event_failed")`, and every other event is applied. An
        event for which the policy fails changes nothing, every other event is applied, and `PolicyFailed` is
        raised with their outcomes. `StoreUnavailable`: no event was applied, and Messenger must send all of
        them again.
        """

    def refuse(self, event: LinkingEvent, reason: str, now: int) -> Outcome:
        """Refuse a `linked` event for a reason that the store does not know, and use its code up.

        This person consumes every code of the attempt; the outcome is `LinkingRefused(reason)`, with the
        `refused` entry as in `receive`. A code that is unknown or consumed already is
        `EventIgnored("duplicate")`, and nothing is written.
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
        """End a link from our side, with `now` as the time of the unlink; with `account_id`, only a link to
        this account. `AccountUnlinked`; or `EventIgnored("not_linked")`, which changes no link. The proofs
        of a chat without a link end all the same, except where an `account_id` is given. `audit` goes into
        the history."""

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
        and `linked_at` stay, and the news is sent again. Else `core.conflicts` judges: `AccountLinked`, or
        `LinkingRefused`, which writes nothing. Such a link has no event's timestamp and the code tick 0. The
        outcomes of the chats that the verdict ends follow, as in `receive`. All of this is decided inside the
        transaction. Raises `PolicyFailed`, and then nothing is written.
        """

    def import_links(self, links: Sequence[Link], how: Import, now: int) -> list[list[Outcome]]:
        """Link many people as another system knew them, in one transaction. Each person may be named once.
        Returns one list for each link, in their order: its own outcome, then those of the account's other
        chats that ended with it.

        A person who is not linked, or is linked to another account, is `AccountLinked` with the values given,
        times included; `LinkingRefused` where the policy does not allow it after this consent, or the pair is
        barred. For a person who is linked to the same account, what is given replaces what was there,
        `linked_at` stays, and the outcome is `LinkChanged`, or `EventIgnored("unchanged")`, which writes
        nothing. `source` is kept as it is given. The history is written, and what was replaced can be undone.
        Without `tell` the outbox gets no news but of the chats that end, nothing is resumed, and followers
        that only tell are not called. `judge_only` writes nothing and ends no other chat. Raises
        `PolicyFailed`, and then nothing is written.
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
        """Remove every row about a person, on every page where `page_id` is None. Returns the number of rows.

        Links, attempts, seen timestamps, interrupted work, outbox, history, undos, proofs, counters and the
        followers' rows go; what operators did stays without the person. Codes that Messenger bound to the
        person stay as consumed digests without a name, so that they cannot be used. Pending codes and
        attempts without a PSID, and chat links, go when their account was linked to the person. When this
        returns, as little as the database allows is left in its files. The list of erasures
        (`core.ports.erasures`) gets the digest of the PSID, so that no backup brings the person back.

        `asked` is the counter of a question that this very chat has answered: it goes with the rest, and an
        outbox entry (`say`, `erased`) of the same transaction tells the chat once. With an `account_id`
        nothing is done, and the number is 0, unless the chat on this page is linked to that account.
        """

    def erase_account(self, account_id: str, now: int) -> int:
        """Remove what is kept about an account beside the chats that are linked to it. Returns the number of
        rows.

        Its attempts without a PSID, its chat links, its bars and the lines of history that name it go; its
        codes stay as consumed digests without a name. Its links stay: erase the people of these before.
        """
