"""The ways to link beside the Log In button: an address for any browser, the menu's webview, site to chat.

A web link proves a chat. The page that it opens proves the account and shows six digits, which the person
types into that very chat. A chat link proves an account. The chat that opens it is asked, and only its answer
links. This module takes what comes from the chat, and answers through the outbox.
"""

from __future__ import annotations

import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bot_linking.core.codes import digest_of, limits_of
from bot_linking.core.conflicts import PolicyFailed, for_later
from bot_linking.core.events import EventIgnored, LinkingEvent, LinkingRefused, Outcome
from bot_linking.core.funnel import Funnel, Reached
from bot_linking.core.linking import Linking
from bot_linking.core.links import CHAT, WEB, Account, Link
from bot_linking.core.ports import ChatLink, Typed, WebLink
from bot_linking.core.text import one_line

CONNECT, CONNECTIONS = "connect", "connections"
SITE_PAGES = (CONNECT, CONNECTIONS)  # the owner's pages: an attempt on this way leads there and makes no link
MAX_AGE_MS = 900_000
MOST_WRONG = 5  # wrong tries of one person in an hour; after them a right one is refused, too
HOUR_MS = 3_600_000
PREFIX = "bl."  # begins each `ref` and payload of ours
OUT = "bl.out"  # the payload of our own Log Out button
LETTERS = "23456789BCDFGHJKMNPQRSTVWXZ"  # without vowels and look-alikes
LONGEST_LABEL = 254
_ADDRESS = re.compile(r"\S[^@\s]*(@[\w-]+(?:\.[\w-]+)*)")
_DASHES = re.compile(r"[\u2010-\u2015\u2212]")
_DIGITS = re.compile(r"([0-9]{3}) ?([0-9]{3})")
_CODE = re.compile(rf"LINK +(?:([A-Z0-9]{{4}}) ?- ?([A-Z0-9]{{4}})|([{LETTERS}]{{4}}) ?([{LETTERS}]{{4}}))")
_ANSWER = re.compile(r"bl\.(yes|no)\.([A-Za-z0-9_-]{22})")
_TOKEN = re.compile(r"bl\.([A-Za-z0-9_-]{32})")


class Say(StrEnum):
    """The sentences that a chat is told, as slugs in the payload of a `say` entry."""

    DIGITS_WRONG = "digits_wrong"
    LINK_UNKNOWN = "link_unknown"
    LINK_USED = "link_used"
    LINK_OTHER_PAGE = "link_other_page"
    QUESTION_OLD = "question_old"
    DECLINED = "declined"
    ALREADY = "already"
    BARRED = "barred"


@dataclass(frozen=True, slots=True)
class Made:
    """A chat link as it is handed out: the secret of its address, and the code to type."""

    token: str
    code: str


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """An event of a person in a chat. `timestamp` is in milliseconds, None where the event had none."""

    page_id: str
    psid: str
    timestamp: int | None = None


class Ways:
    """Makes the tokens of the other ways, and takes what comes back from the chat."""

    def __init__(self, linking: Linking, funnel: Funnel) -> None:
        self._linking = linking
        self._funnel = funnel
        self._store = linking.store

    # Proofs

    def web_token(self, psid: str, page_id: str | None = None) -> str:
        """A token that proves this chat for a quarter of an hour; the store keeps its digest alone."""
        token, page_id = secrets.token_urlsafe(24), page_id or self._linking.only_page()
        ends = self._linking.now() + MAX_AGE_MS
        self._store.save_web_link(WebLink(digest_of(token), page_id, psid, ends))
        return token

    def open_web(self, token: str) -> WebLink | None:
        """The web link of this token; None when it is unknown, has expired or has linked already."""
        return self._store.find_web_link(digest_of(token), self._linking.now())

    def make_chat_link(self, account: Account, page_id: str | None = None, *, resume: Any = None) -> Made:
        """An address and a code that prove this account for a quarter of an hour."""
        made = Made(secrets.token_urlsafe(24), _new_code())
        ends = self._linking.now() + MAX_AGE_MS
        link = ChatLink(digest_of(made.token), page_id, account, resume, ends, used=False)
        self._store.save_chat_link(link, digest_of(made.code))
        self._funnel.reach(Reached.PROMPTED, CHAT, page_id)
        return made

    # What comes from a chat

    def take_text(self, event: ChatEvent, text: str) -> bool:
        """Take digits that a page shows for this person, or a code. False for a text that is the bot's."""
        plain = _plain(text)
        code = _CODE.fullmatch(plain)
        digits = _DIGITS.fullmatch(plain)
        if code is None and digits is None:
            return False
        typed = self._typed(event)
        if digits is not None:
            return self._take_digits(event, "".join(digits.groups()), typed)
        if self._may_guess(event, typed):
            link = self._store.find_chat_link_of_code(digest_of(code_of(plain)))
            if link is not None and self._linking.now() < link.expires_at:
                self._was_no_guess(event)
            self._ask(event, link)
        return True

    def take_ref(self, event: ChatEvent, ref: str) -> bool:
        """Take a `ref` with our prefix: ask the chat, or tell it that the address is not good. False for a
        `ref` that is the bot's."""
        if not ref.startswith(PREFIX):
            return False
        match = _TOKEN.fullmatch(ref)
        link = self._store.find_chat_link(digest_of(match[1])) if match else None
        self._ask(event, link)
        return True

    def take_answer(self, event: ChatEvent, payload: str) -> bool:
        """Take the tap on a button of ours: the answer to a question, or Log Out. False for a payload that is
        the bot's."""
        if not payload.startswith(PREFIX):
            return False
        if payload == OUT:
            self._leave(event)
            return True
        match = _ANSWER.fullmatch(payload)
        if match is None:
            self._refuse(event, "question_unknown", Say.QUESTION_OLD)
            return True
        self._settle(event, digest_of(match[2]), yes=match[1] == "yes")
        return True

    # Inside

    def _leave(self, event: ChatEvent) -> None:
        """Unlink as Messenger's own Log Out does, by an event with the tap's timestamp."""
        page_id, psid, at = event.page_id, event.psid, event.timestamp
        self._linking.receive([LinkingEvent(page_id, psid, "unlinked", None, at, by_our_button=True)])
        self._linking.wake()

    def _typed(self, event: ChatEvent) -> Typed:
        key = _counter_of(event)
        return self._store.find_typed(event.page_id, event.psid, key, self._linking.now())

    def _take_digits(self, event: ChatEvent, digits: str, typed: Typed) -> bool:
        digest = digest_of_digits(event.psid, digits)
        if digest in typed.used:  # delivered again
            return True
        if not typed.codes:  # no page shows digits: the text is the bot's
            return False
        if not self._may_guess(event, typed):
            return True
        code = typed.codes.get(digest)
        if code is None:
            self._refuse(event, "digits_wrong", Say.DIGITS_WRONG)
            return True
        self._was_no_guess(event)
        self._linking.receive(
            [LinkingEvent(event.page_id, event.psid, "linked", None, event.timestamp, code)]
        )
        return True

    def _may_guess(self, event: ChatEvent, typed: Typed) -> bool:
        """Count what was typed before it is compared, so that parallel guesses cannot exceed the limit."""
        now = self._linking.now()
        if typed.wrong < MOST_WRONG and self._store.hit(_counter_of(event), now + HOUR_MS, now) <= MOST_WRONG:
            return True
        self._linking.tell_all([LinkingRefused("typed_too_often", event.page_id, event.psid, way=WEB)])
        return False

    def _was_no_guess(self, event: ChatEvent) -> None:
        self._store.refund(_counter_of(event), self._linking.now())

    def _ask(self, event: ChatEvent, link: ChatLink | None) -> None:
        now = self._linking.now()
        if link is None or now >= link.expires_at:
            self._refuse(event, "chat_link_unknown", Say.LINK_UNKNOWN)
        elif link.used:
            self._refuse(event, "chat_link_used", Say.LINK_USED)
        elif link.page_id not in (None, event.page_id):
            self._refuse(event, "chat_link_wrong_page", Say.LINK_OTHER_PAGE)
        else:
            self._question(event, link, now)

    def _question(self, event: ChatEvent, link: ChatLink, now: int) -> None:
        foresight = self._linking.foresee(event.page_id, event.psid, link.account, source=CHAT)
        if foresight.is_refused:
            self._refuse(event, "conflict_refused", Say.ALREADY)
            return
        question, replaces = secrets.token_urlsafe(16), foresight.replaces
        payload = {
            "question": question,
            "account": masked(link.account.label),
            "replaces": masked(label_of(replaces)) if replaces else None,
        }
        agreed = replaces.account_id if replaces else None
        self._store.ask(event.page_id, event.psid, digest_of(question), link, agreed, now, payload)
        self._asked(event, link)
        self._linking.wake()

    def _asked(self, event: ChatEvent, link: ChatLink) -> None:
        """Count the stages that a question implies: the site signed the person in before the chat opened."""
        page_id, made_at = event.page_id, link.expires_at - MAX_AGE_MS
        if self._funnel.reach(Reached.OPENED, CHAT, page_id, key=link.digest, since=made_at):
            self._funnel.open(CHAT, page_id, made_at)
        self._funnel.reach(Reached.SIGNED_IN, CHAT, page_id, key=link.digest)
        self._funnel.reach(Reached.CONSENT_SHOWN, CHAT, page_id, key=link.digest)

    def _answered(self, event: ChatEvent, link: ChatLink | None, *, yes: bool) -> None:
        """Count the chat's answer, which is both the consent and the event that comes back."""
        if link is None:
            return
        if yes:
            is_first = self._funnel.reach(Reached.CONSENTED, CHAT, event.page_id, key=link.digest)
            self._funnel.reach(Reached.RETURNED, CHAT, event.page_id, key=link.digest)
        else:
            is_first = self._funnel.cancel(CHAT, event.page_id, key=link.digest)
        if is_first:
            self._funnel.open(CHAT, event.page_id, link.expires_at - MAX_AGE_MS, ended=True)

    def _settle(self, event: ChatEvent, question: str, *, yes: bool) -> None:
        asked = self._store.find_asked_link(event.page_id, event.psid, question)
        if yes and asked is not None and not self._linking.allows(asked.account.id):
            self._refuse(event, "account_refused", Say.LINK_UNKNOWN)
            return
        outcomes = self._answer(event, question, yes=yes)
        if not _is_settled_before(outcomes[0]):
            self._answered(event, asked, yes=yes)
        self._linking.tell_all([_on_this_way(outcome) for outcome in outcomes])
        self._linking.wake()

    def _answer(self, event: ChatEvent, question: str, *, yes: bool) -> list[Outcome]:
        now, policy = self._linking.now(), self._linking.policy
        terms: dict[str, Any] = {
            "now": now,
            "event_ms": event.timestamp,
            "policy": policy,
            "reply": _reply_to,
        }
        try:
            return self._store.answer(event.page_id, event.psid, question, yes=yes, **terms)
        except PolicyFailed as problem:
            raise for_later(problem) from problem

    def _refuse(self, event: ChatEvent, reason: str, said: Say) -> None:
        self._linking.tell_all([LinkingRefused(reason, event.page_id, event.psid, way=CHAT)])
        self._say(event, said)

    def _say(self, event: ChatEvent, said: Say) -> None:
        self._linking.queue(event.page_id, event.psid, "say", str(said))


def digest_of_digits(psid: str, digits: str) -> str:
    """The digest under which digits are kept. They count for this chat only."""
    return digest_of(f"{digits} {psid}")  # the six digits come first, so that no two pairs make one text


def digits_of(session: str, attempt_id: str) -> str:
    """The six digits of an attempt, derived from the secret that its browser holds; no store keeps them."""
    mac = hmac.digest(session.encode("utf-8"), attempt_id.encode("utf-8"), "sha256")
    return f"{int.from_bytes(mac[:8]) % 1_000_000:06d}"


def code_of(text: str) -> str:
    """The eight letters of a code, from the text that was typed."""
    return re.sub(r"[ -]", "", _plain(text).removeprefix("LINK"))


def shown(code: str) -> str:
    """A code as it is shown to a person, to be typed: `LINK 7K4Q-9P2M`."""
    return f"LINK {code[:4]}-{code[4:]}"


def masked(label: str) -> str:
    """So much of a name that its owner recognises it and others do not: `a••@example.com`.

    People choose their names, and the page sends this in chats: of a name that is no e-mail address only the
    first character is shown.
    """
    plain = one_line(label, LONGEST_LABEL)
    address = _ADDRESS.fullmatch(plain)
    return f"{plain[:1]}••{address[1] if address else ''}"


def label_of(link: Link) -> str:
    """The name by which a person knows the account of a link."""
    return link.email or link.username or link.phone_number or link.account_id


def _new_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(8))


def _plain(text: str) -> str:
    """The text in one spelling of digits, letters, blanks and dashes, which phones write in many ways."""
    folded = unicodedata.normalize("NFKC", text[:64]).strip().upper()
    return re.sub(r"\s+", " ", _DASHES.sub("-", folded))


def _counter_of(event: ChatEvent) -> str:
    return limits_of(event.page_id, event.psid).typed


def _is_settled_before(outcome: Outcome) -> bool:
    return isinstance(outcome, EventIgnored | LinkingRefused) and outcome.reason in (
        "duplicate",
        "question_unknown",
    )


def _on_this_way(outcome: Outcome) -> Outcome:
    """The outcome of an answer, with its way where it linked nothing."""
    match outcome:
        case LinkingRefused() | EventIgnored(reason="unchanged"):
            return replace(outcome, way=CHAT)
    return outcome


def _reply_to(outcome: Outcome) -> Say | None:
    match outcome:
        case EventIgnored(reason="declined"):
            return Say.DECLINED
        case EventIgnored(reason="unchanged"):
            return Say.ALREADY
        case LinkingRefused(reason="question_unknown" | "conflict_not_agreed"):
            return Say.QUESTION_OLD
        case LinkingRefused(reason="pair_barred"):
            return Say.BARRED
        case LinkingRefused(reason="chat_link_used"):
            return Say.LINK_USED
        case LinkingRefused(reason="chat_link_expired"):
            return Say.LINK_UNKNOWN
        case LinkingRefused():
            return Say.ALREADY
    return None
