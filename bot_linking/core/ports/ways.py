"""The store's role for the ways beside the Log In button: what proves a chat, what proves an account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bot_linking.core.conflicts import Policy
from bot_linking.core.events import Outcome
from bot_linking.core.links import Account

Reply = Callable[[Outcome], str | None]
"""What the chat is told for the outcome of its answer; None where the news of the link says it."""


@dataclass(frozen=True, slots=True)
class WebLink:
    """An address that proves a chat in any browser. The store knows its secret by `digest` alone."""

    digest: str
    page_id: str
    psid: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class ChatLink:
    """An address and a code that prove an account in a chat: a chat with `page_id`, or with any page of ours
    where that is None. `used` is true once a chat was linked by it."""

    digest: str
    page_id: str | None
    account: Account
    resume: Any
    expires_at: int
    used: bool


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person may type. `wrong` counts the wrong tries of the hour. `codes` maps the digest of the
    digits that a page shows for this person to the digest of the code that they stand for. `used` has the
    digests of digits that have linked already, to recognise them when Messenger delivers them again."""

    wrong: int
    codes: dict[str, str]
    used: frozenset[str] = frozenset()


class Ways(Protocol):
    """The proofs of the other ways, by digest. Each ends at its time, with the first link that it makes, and
    by `Links.erase`. A proof of a chat also ends when the chat is unlinked; a proof of an account also ends
    by `Attempts.drop_pending`."""

    def save_web_link(self, link: WebLink) -> None:
        """Keep an address that proves this chat until its `expires_at`. A chat may have several."""

    def find_web_link(self, digest: str, now: int) -> WebLink | None:
        """The chat that an address proves; None when it is unknown, has expired, or has linked already."""

    def is_proof_used(self, proof: str) -> bool:
        """Whether a code with this proof was consumed, so that the proof is good for no other link."""

    def find_typed(self, page_id: str, psid: str, key: str, now: int) -> Typed:
        """What this person may type now, and the hits of the counter `key`, by one read. `codes` is empty
        when no page shows digits for this person."""

    def save_chat_link(self, link: ChatLink, code_digest: str) -> None:
        """Keep an address that proves an account until its `expires_at`, with the code that stands for it."""

    def find_chat_link(self, digest: str) -> ChatLink | None:
        """The chat link of this digest, used or not, also after its end until `purge` removes it; None when
        none has it."""

    def find_chat_link_of_code(self, code_digest: str) -> ChatLink | None:
        """The same as `find_chat_link`, by the digest of the code that was typed."""

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
        """Ask a chat whether it shall be linked: this question (a digest) replaces an older one of the chat,
        and a `question` entry with the payload is queued, in one transaction. `replaces` is the account that
        the question says would be replaced."""

    def find_asked_link(self, page_id: str, psid: str, question: str) -> ChatLink | None:
        """The chat link that this question is about; None when the chat was asked another question since,
        or the chat link is gone."""

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
        """Settle a question, and with `yes` link the chat to its account, in one transaction. It also queues
        what `reply` returns for the first outcome, as a `say` entry.

        `EventIgnored("duplicate")` when this very question was settled already. `LinkingRefused` with
        `question_unknown` when the chat was asked another question since, or none; with `chat_link_used`,
        `chat_link_expired` (fifteen minutes after it was made), or the policy's refusal, and then the
        question is settled. `EventIgnored("declined")` without `yes`. `EventIgnored("unchanged")` where the
        chat has this account already; the chat link is used up. Else the outcomes of a link with the source
        `chat` and the event time `event_ms`, the chat's own first. Raises `PolicyFailed`, and then nothing is
        written.
        """
