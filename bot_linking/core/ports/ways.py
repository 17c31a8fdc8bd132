"""The store's role for the ways beside the Log In button: what proves a chat, what proves an account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bot_linking.core.conflicts import Policy
from bot_linking.core.events import Outcome
from bot_linking.core.links import Account

Reply = Callable[[Outcome], str | None]
"""What a chat is told of what its answer came to; None where nothing is left to say."""


@dataclass(frozen=True, slots=True)
class WebLink:
    """An address that proves a chat in any browser. `digest` is what it is kept under."""

    digest: str
    page_id: str
    psid: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class ChatLink:
    """An address and a code that prove an account in a chat, of `page_id` or, where that is None, of any page
    of ours. `used` once a chat was connected by it."""

    digest: str
    page_id: str | None
    account: Account
    resume: Any
    expires_at: int
    used: bool


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person may type: `wrong` counts what was wrong within the hour; `codes` maps the digest of the
    digits that a page shows for this person to the digest of the code that they stand for; `used` are the
    digests of digits that have linked already, so that Messenger may deliver them again."""

    wrong: int
    codes: dict[str, str]
    used: frozenset[str] = frozenset()


class Ways(Protocol):
    """Proofs of the other ways, by digest. Each ends by its clock, by one link, and by `Links.erase`. What
    proves a chat ends when it is unlinked, what proves an account by `Attempts.drop_pending`."""

    def save_web_link(self, link: WebLink) -> None:
        """Keep an address that proves this chat until `expires_at`. A chat may have several."""

    def find_web_link(self, digest: str, now: int) -> WebLink | None:
        """The chat that an address proves; None when it is unknown, has expired, or has linked already."""

    def is_proof_used(self, proof: str) -> bool:
        """Whether a code with this proof was consumed: it links nothing more."""

    def find_typed(self, page_id: str, psid: str, key: str, now: int) -> Typed:
        """What this person may type now, and the hits of the counter `key`, by one read. No code: no page
        shows digits for this person."""

    def save_chat_link(self, link: ChatLink, code_digest: str) -> None:
        """Keep an address with its code until `expires_at`."""

    def find_chat_link(self, digest: str) -> ChatLink | None:
        """The account that an address proves, also after its end, until it is purged."""

    def find_chat_link_of_code(self, code_digest: str) -> ChatLink | None:
        """The same by the code that was typed."""

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
        """Ask a chat whether it shall be connected: this question (a digest) takes the place of an older one,
        and a `question` entry with the payload is queued, in one transaction. `replaces` is the account that
        the question says would be replaced."""

    def find_asked_link(self, page_id: str, psid: str, question: str) -> ChatLink | None:
        """The chat link that this question is about; None when the chat was asked another one since."""

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
        """Settle a question, and with `yes` link the chat to its account, in one transaction. What `reply`
        makes of the first outcome is queued in it, too, as a `say` entry.

        `EventIgnored("duplicate")` when this very question was settled already. `LinkingRefused`:
        `question_unknown` when the chat was asked another one since or none, `chat_link_used`,
        `chat_link_expired` (fifteen minutes after it was made), or what the policy refuses; the question is
        settled. `EventIgnored("declined")` without `yes`. Else the outcomes of a link with source `chat`,
        whose event has the time `event_ms`.
        """
