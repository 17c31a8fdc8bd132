"""The tables of links and their history. Each transition is one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from bot_linking.core.codes import PendingCode, limits_of
from bot_linking.core.conflicts import CANNOT_ASK, Consent, Policy, PolicyFailed, is_failure
from bot_linking.core.errors import StoreUnavailable
from bot_linking.core.events import EventIgnored, LinkingEvent, LinkingRefused, Outcome
from bot_linking.core.history import NO_AUDIT, Audit, Change
from bot_linking.core.identifiers import Identifiers, account_after, changed_identifiers
from bot_linking.core.links import Account, Link, from_ms
from bot_linking.core.ordering import refusal_of
from bot_linking.core.ports.links import Contact, Import
from bot_linking.stores.changes import (
    change_link,
    end_link,
    end_others,
    end_proofs,
    link_by_site,
    link_of,
    link_of_columns,
    look_up,
    settle,
)
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.erasures import bring_up_to_date, erasure_of, list_beside, save_erasure
from bot_linking.stores.family import Family
from bot_linking.stores.importing import import_links
from bot_linking.stores.receiving import REFUSALS_APART_MS, apply_event, refuse

MOVE = Policy()
TRIES = 5  # against others who change the same chat's link
MOST_REMEMBERED = 10_000  # codes of this process
MOST_PAGES = 1000  # of one person: the accounts linked there are held while the person is erased
ERASED_WHOLE = (
    *("attempts", "unlinks_seen", "resumes", "outbox", "history"),
    *("undos", "undo_tokens", "bars", "web_links", "questions", "acts"),
)


class _AnotherAccount(Exception):
    """The link that tells which account is meant has changed before this transaction held them."""


class Links(Family):
    """`core.ports.Links` over an engine. `received` are digests of codes that came in events lately."""

    received: set[str]

    def find_link(self, page_id: str, psid: str) -> Link | None:
        row = self.engine.read_link(page_id, psid)
        return None if row is None else link_of_columns(row)

    def find_links_of_psid(self, psid: str) -> list[Link]:
        return [link_of(row) for row in self.engine.read("find_links_of_psid", psid=psid)]

    def find_links_of_account(self, account_id: str) -> list[Link]:
        return [link_of(row) for row in self.engine.read("find_links_of_account", account_id=account_id)]

    def list_links(self) -> Iterator[Link]:
        after = ("", "")
        while True:
            rows = self.engine.read("list_links", after_page=after[0], after_psid=after[1], limit=500)
            yield from map(link_of, rows)
            if len(rows) < 500:
                return
            after = (rows[-1]["page_id"], rows[-1]["psid"])

    def find_pages(self) -> list[str]:
        (row,) = self.engine.read("find_pages")
        return sorted({row["first"], row["last"]} - {None})

    def contact_of(self, page_id: str, psid: str) -> Contact:
        rows = self.engine.read("find_contact", page_id=page_id, psid=psid)
        return Contact(**rows[0]) if rows else Contact()

    def receive(self, events: Sequence[LinkingEvent], now: int, *, policy: Policy = MOVE) -> list[Outcome]:
        if len(events) == 1 and self._is_redelivery(events[0], now):
            return [EventIgnored("duplicate", events[0].page_id, events[0].psid)]
        psids = [event.psid for event in events]
        codes = [digest for event in events if (digest := event.digest) is not None]
        accounts = self._accounts_of_codes(codes) if policy.minds_other_chats else []
        write = partial(self.write_holding, psids=psids, codes=codes, accounts=accounts)

        def together(tx: Tx) -> list[Outcome]:
            tx = tx.gathered(events, now, REFUSALS_APART_MS, accounts)
            outcomes = [outcome for event in events for outcome in apply_event(tx, event, now, policy)]
            self.followed(tx, outcomes, now)
            tx.flush()
            return outcomes

        def apart(tx: Tx) -> list[Outcome]:
            return [outcome for event in events for outcome in self._receive_or_bury(tx, event, now, policy)]

        try:
            outcomes = write(together)
            self._remember(events)
            return outcomes
        except self._needs_savepoints:  # rare, so savepoints are made only in this second try
            outcomes = write(apart)
        if any(map(is_failure, outcomes)):
            raise PolicyFailed("on_conflict did not answer", outcomes)
        return outcomes

    def _is_redelivery(self, event: LinkingEvent, now: int) -> bool:
        """Whether this process has received the event before and the code is used: it stays so. The answer is
        read, and waits for no writer."""
        if event.digest not in self.received:
            return False
        rows = self.engine.read("find_code", digest=event.digest)
        return bool(rows) and refusal_of(PendingCode(**rows[0]), event, now_ms=now) == "duplicate"

    def _remember(self, events: Sequence[LinkingEvent]) -> None:
        if len(self.received) + len(events) > MOST_REMEMBERED:
            self.received.clear()
        self.received.update(event.digest for event in events if event.digest is not None)

    @property
    def _needs_savepoints(self) -> tuple[type[Exception], ...]:
        """The errors of one event, after which the others are applied all the same."""
        return (PolicyFailed, *self.engine.poison)

    def _accounts_of_codes(self, codes: Sequence[str]) -> list[str]:
        rows = self.engine.read("find_accounts_of_codes", digests=json.dumps(codes))
        return sorted({row["account_id"] for row in rows if row["account_id"] is not None})

    def _accounts_of(self, psid: str) -> list[str]:
        rows = self.engine.read("find_by_psid", value=psid, limit=MOST_PAGES)
        return sorted({row["account_id"] for row in rows})

    def _receive_one(self, tx: Tx, event: LinkingEvent, now: int, policy: Policy) -> list[Outcome]:
        return self.followed(tx, apply_event(tx, event, now, policy), now)

    def _receive_or_bury(self, tx: Tx, event: LinkingEvent, now: int, policy: Policy) -> list[Outcome]:
        try:
            return tx.isolated(lambda: self._receive_one(tx, event, now, policy))
        except PolicyFailed:  # Messenger sends it again
            return [LinkingRefused(PolicyFailed.slug, event.page_id, event.psid)]
        except self.engine.poison as problem:
            reason = f"{type(problem).__name__} while applying an event"
            payload = json.dumps([event.status, event.timestamp])
            tx.put(
                "queue_dead",
                page_id=event.page_id,
                psid=event.psid,
                kind="event",
                payload=payload,
                reason=reason,
                now=now,
            )
            return [LinkingRefused("event_failed", event.page_id, event.psid)]

    def refuse(self, event: LinkingEvent, reason: str, now: int) -> Outcome:

        def work(tx: Tx) -> Outcome:
            digest = event.digest or ""
            tx.hold(psids=[event.psid], codes=[digest])
            row = tx.one("find_code", digest=digest)
            if row is None or row["consumed_at"] is not None:
                return EventIgnored("duplicate", event.page_id, event.psid)
            tx.put("consume_code", attempt_id=row["attempt_id"], psid=event.psid, now=now)
            return refuse(tx, reason, event, now)

        return self.engine.write(work)

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
        def work(tx: Tx) -> Outcome:
            tx.hold(psids=[psid])
            person, link = look_up(tx, page_id, psid)
            if link is None and account_id is None:
                end_proofs(tx, page_id, psid)
            if link is None or account_id not in (None, link.account_id):
                return EventIgnored("not_linked", page_id, psid)
            return end_link(tx, link, person, source, unlinked_ms=now, now=now, audit=audit)

        return self.engine.write(lambda tx: self.followed(tx, [work(tx)], now)[0])

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
        policy: Policy = MOVE,
        consent: Consent = CANNOT_ASK,
    ) -> list[Outcome]:
        def is_so(link: Link | None) -> bool:
            after = account_after(given, link, account)
            return link is not None and link.account_id == after.id and not changed_identifiers(link, after)

        def bound(tx: Tx, held: str) -> list[Outcome]:
            person, before = look_up(tx, page_id, psid)
            if is_so(before):
                return [EventIgnored("unchanged", page_id, psid)]
            after = account_after(given, before, account)
            if before is not None and before.account_id == after.id:
                return [change_link(tx, before, after, source, now, audit)]
            if policy.minds_other_chats and after.id != held:
                raise _AnotherAccount
            verdict = settle(
                tx,
                policy,
                consent,
                person,
                before,
                page_id=page_id,
                psid=psid,
                account=after,
                source=source,
                now=now,
            )
            if verdict.refusal is not None:
                return [LinkingRefused(verdict.refusal, page_id, psid)]
            linked = link_by_site(tx, page_id, psid, before, after, source, now, audit)
            return [linked, *end_others(tx, verdict, source, now)]

        def work(held: str, tx: Tx) -> list[Outcome]:
            return self.followed(tx, bound(tx, held), now)

        for _ in range(TRIES):
            present = self.find_link(page_id, psid)
            if is_so(present):  # a call that changes nothing waits for no lock
                return [EventIgnored("unchanged", page_id, psid)]
            held = account_after(given, present, account).id
            accounts = [held] if policy.minds_other_chats else []
            with suppress(_AnotherAccount):
                return self.write_holding(partial(work, held), psids=[psid], accounts=accounts)
        raise StoreUnavailable("the link of this chat changes all the time")

    def restore_named_ids(self) -> int:
        if not self.engine.read("has_named_ids"):
            return 0

        def work(tx: Tx) -> int:
            return tx.run("restore_named_ids")

        return self.engine.write(work)

    def import_links(self, links: Sequence[Link], how: Import, now: int) -> list[list[Outcome]]:
        def work(tx: Tx) -> list[list[Outcome]]:
            outcomes = import_links(tx, links, how, now)
            if not how.judge_only:
                for each in outcomes:
                    self.followed(tx, each, now, silently=not how.tell)
            return outcomes

        accounts = sorted({link.account_id for link in links}) if how.policy.minds_other_chats else []
        return self.write_holding(work, psids=[link.psid for link in links], accounts=accounts)

    def history_of(self, page_id: str | None, psid: str) -> list[Change]:

        return [change_of(row) for row in self.engine.read("find_history", page_id=page_id, psid=psid)]

    def erase(
        self,
        page_id: str | None,
        psid: str,
        now: int,
        *,
        asked: str | None = None,
        account_id: str | None = None,
    ) -> int:

        def work(tx: Tx) -> int | None:
            tx.hold(psids=[psid], accounts=accounts)
            if account_id is not None and not _is_linked_to(tx, page_id, psid, account_id):
                return None
            save_erasure(tx, erasure)
            pages = [page_id] if page_id is not None else _pages_of(tx, psid)
            ended = tx.all("erase_links", page_id=page_id, psid=psid)
            rows = (
                len(ended)
                + sum(_erase_unbound(tx, row["account_id"]) for row in ended)
                + tx.run("erase_codes", page_id=page_id, psid=psid, now=now)
                + sum(tx.run(f"erase_{table}", page_id=page_id, psid=psid) for table in ERASED_WHOLE)
                + sum(tx.run("drop_limit", key=key) for page in pages for key in limits_of(page, psid))
                + sum(follower.erase(tx, page_id, psid) for follower in self.followers)
            )
            if asked is not None and tx.run("drop_limit", key=asked):
                tx.put("queue", page_id=page_id, psid=psid, kind="say", payload='"erased"', now=now)
            return rows

        erasure = erasure_of(page_id, psid, now)
        accounts = self._accounts_of(psid)
        rows = self.engine.write(work)
        if rows is None:
            return 0
        self.engine.scrub()
        if (path := self.engine.beside()) is not None:
            bring_up_to_date(list_beside(path), self.engine, erasure)
        return rows

    def erase_account(self, account_id: str, now: int) -> int:

        tables = ("unbound_attempts", "chat_links_of_account", "history_of_account", "bars_of_account")

        def work(tx: Tx) -> int:
            tx.hold(account_id=account_id, accounts=[account_id])
            rows = sum(tx.run(f"erase_{table}", account_id=account_id) for table in tables)
            return rows + tx.run("erase_codes_of_account", account_id=account_id, now=now)

        rows = self.engine.write(work)
        self.engine.scrub()
        return rows


def _is_linked_to(tx: Tx, page_id: str | None, psid: str, account_id: str) -> bool:
    link = None if page_id is None else tx.one("find_link", page_id=page_id, psid=psid)
    return link is not None and link["account_id"] == account_id


def _pages_of(tx: Tx, psid: str) -> list[str]:
    """Every page on which anything is kept about this person, and the first and last page of the store."""
    found = {row["page_id"] for row in tx.all("find_pages_of_person", psid=psid)}
    for row in tx.all("find_pages"):
        found |= {row["first"], row["last"]}
    return sorted(found - {None, ""})


def _erase_unbound(tx: Tx, account_id: str | None) -> int:
    """Remove pending codes and attempts without a PSID, and chat links, by the person's account."""
    tables = ("erase_unbound_codes", "erase_unbound_attempts", "erase_chat_links_of_account")
    return sum(tx.run(table, account_id=account_id) for table in tables)


def change_of(row: Row) -> Change:
    before, after = row["account_before"], row["account_after"]
    return Change(
        from_ms(row["at"]),
        row["page_id"],
        row["psid"],
        row["source"],
        "unlinked" if after is None else "changed" if before == after else "linked",
        before,
        after,
        tuple(filter(None, row["identifiers"].split(","))),
        row["key_id"],
        row["request_id"],
        row["meta"],
    )
