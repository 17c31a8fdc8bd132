"""The tables of the other ways to link: web links, chat links, and the questions that a chat is asked."""

from __future__ import annotations

import json
from typing import Any

from bot_linking.core.conflicts import Consent, Policy
from bot_linking.core.events import EventIgnored, LinkingRefused, Outcome
from bot_linking.core.links import Account
from bot_linking.core.ports.ways import ChatLink, Reply, Typed, WebLink
from bot_linking.stores.attempts import identity_of
from bot_linking.stores.changes import end_others, look_up, put_link, settle, welcome
from bot_linking.stores.engine import Row, Tx
from bot_linking.stores.family import Family


class Ways(Family):
    """`core.ports.ways.Ways` over an engine."""

    def save_web_link(self, link: WebLink) -> None:
        values = {name: getattr(link, name) for name in ("digest", "page_id", "psid", "expires_at")}
        self.engine.write(lambda tx: tx.put("save_web_link", **values))

    def find_web_link(self, digest: str, now: int) -> WebLink | None:
        rows = self.engine.read("find_web_link", digest=digest, now=now)
        if not rows or self.is_proof_used(digest):
            return None
        row = rows[0]
        return WebLink(digest, row["page_id"], row["psid"], row["expires_at"])

    def is_proof_used(self, proof: str) -> bool:
        return bool(self.engine.read("is_proof_used", proof=proof))

    def find_typed(self, page_id: str, psid: str, key: str, now: int) -> Typed:
        rows = self.engine.read("find_typed", page_id=page_id, psid=psid, key=key, now=now)
        known = [row for row in rows if row["typed"] is not None]
        codes = {row["typed"]: row["digest"] for row in known if row["consumed_at"] is None}
        used = frozenset(row["typed"] for row in known if row["consumed_at"] is not None)
        return Typed(rows[0]["hits"] or 0, codes, used)

    def save_chat_link(self, link: ChatLink, code_digest: str) -> None:
        values = identity_of(link.account) | {
            "digest": link.digest,
            "code_digest": code_digest,
            "page_id": link.page_id,
            "display_name": link.account.display_name,
            "resume": _text_of(link.resume),
            "expires_at": link.expires_at,
        }
        self.engine.write(lambda tx: tx.put("save_chat_link", **values))

    def find_chat_link(self, digest: str) -> ChatLink | None:
        rows = self.engine.read("find_chat_link", digest=digest)
        return _chat_link(rows[0]) if rows else None

    def find_chat_link_of_code(self, code_digest: str) -> ChatLink | None:
        rows = self.engine.read("find_chat_link_of_code", code_digest=code_digest)
        return _chat_link(rows[0]) if rows else None

    def ask(
        self,
        page_id: str,
        psid: str,
        question: str,
        link: ChatLink,
        replaces: str | None,
        now: int,
        payload: Any,
    ) -> None:
        who = {"page_id": page_id, "psid": psid}
        text = json.dumps(payload)

        def work(tx: Tx) -> None:
            tx.hold(psids=[psid])
            tx.put("save_question", id=question, link_digest=link.digest, replaces=replaces, now=now, **who)
            tx.put("queue", kind="question", payload=text, now=now, **who)

        self.engine.write(work)

    def answer(
        self,
        page_id: str,
        psid: str,
        question: str,
        *,
        yes: bool,
        now: int,
        event_ms: int | None,
        policy: Policy,
        reply: Reply,
    ) -> list[Outcome]:
        link = self.find_asked_link(page_id, psid, question) if policy.minds_other_chats else None

        def settled(tx: Tx) -> list[Outcome]:
            asked = tx.one("find_question", page_id=page_id, psid=psid)
            if asked is None or asked["id"] != question:
                return [LinkingRefused("question_unknown", page_id, psid)]
            if asked["settled_at"] is not None:
                return [EventIgnored("duplicate", page_id, psid)]
            tx.put("settle_question", page_id=page_id, psid=psid, now=now)
            if not yes:
                return [EventIgnored("declined", page_id, psid)]
            return _connect(tx, page_id, psid, asked, now, event_ms, policy)

        def work(tx: Tx) -> list[Outcome]:
            outcomes = self.followed(tx, settled(tx), now)
            if (said := reply(outcomes[0])) is not None:
                text = json.dumps(said)
                tx.put("queue", page_id=page_id, psid=psid, kind="say", payload=text, now=now)
            return outcomes

        return self.write_holding(work, psids=[psid], accounts=[link.account.id] if link else [])

    def find_asked_link(self, page_id: str, psid: str, question: str) -> ChatLink | None:
        asked = self.engine.read("find_question", page_id=page_id, psid=psid)
        is_that = bool(asked) and asked[0]["id"] == question
        return self.find_chat_link(asked[0]["link_digest"]) if is_that else None


def _connect(
    tx: Tx, page_id: str, psid: str, asked: Row, now: int, event_ms: int | None, policy: Policy
) -> list[Outcome]:
    row = tx.one("find_chat_link", digest=asked["link_digest"])
    link = _chat_link(row) if row else None
    if link is None or now >= link.expires_at:
        return [LinkingRefused("chat_link_expired", page_id, psid)]
    if link.used:
        return [LinkingRefused("chat_link_used", page_id, psid)]
    person, before = look_up(tx, page_id, psid)
    verdict = settle(
        tx,
        policy,
        Consent(asked["replaces"]),
        person,
        before,
        page_id=page_id,
        psid=psid,
        account=link.account,
        source="chat",
        now=now,
    )
    if verdict.refusal is not None:
        return [LinkingRefused(verdict.refusal, page_id, psid)]
    if tx.one("use_chat_link", digest=link.digest, now=now) is None:
        return [LinkingRefused("chat_link_used", page_id, psid)]
    if before is not None and before.account_id == link.account.id:
        return [EventIgnored("unchanged", page_id, psid)]
    if link.resume is not None:
        tx.put("save_resume", page_id=page_id, psid=psid, payload=json.dumps(link.resume), now=now)
    values = {"locale": None, "source": "chat", "event_ms": event_ms, "code_tick": 0}
    made = put_link(tx, page_id, psid, before, values | identity_of(link.account), now)
    linked = welcome(tx, made, before.account_id if before else None, now)
    return [linked, *end_others(tx, verdict, "chat", now)]


def _chat_link(row: Row) -> ChatLink:
    account = Account(
        row["account_id"], row["username"], row["email"], row["phone_number"], row["display_name"]
    )
    used = row["used_at"] is not None
    return ChatLink(row["digest"], row["page_id"], account, _value_of(row["resume"]), row["expires_at"], used)


def _text_of(resume: Any) -> str | None:
    return None if resume is None else json.dumps(resume)


def _value_of(text: str | None) -> Any:
    return None if text is None else json.loads(text)
