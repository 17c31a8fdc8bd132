"""What happens when a link exists already: the host's policy, judged in the transaction that links.

A chat has at most one account, so another account replaces the first one; an account may have several chats.
The host says with one word, or with a callable for each case, whether either may happen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bot_linking.core.errors import BotLinkingError, ConfigurationError, StoreUnavailable
from bot_linking.core.events import LinkingRefused, Outcome
from bot_linking.core.links import Account, Link
from bot_linking.core.log_throttle import log_sparingly

_log = logging.getLogger("bot_linking")


class Word(StrEnum):
    """What a policy says.

    `move`: the new account replaces the chat's former one; the account's other chats stay. `ask`: the same,
    but only where the person agreed to replace this very account. `refuse`: a chat that is linked to another
    account stays so. `one_chat`: as `ask`, and the account's other chats are unlinked and told.
    """

    MOVE = "move"
    ASK = "ask"
    REFUSE = "refuse"
    ONE_CHAT = "one_chat"


@dataclass(frozen=True, slots=True)
class Conflict:
    """The case that a policy decides. `link` is the chat's present link, where that is to another account;
    `account` is the account to link now; `other_chats` are its links to other chats; `source` is who makes
    the link, as `Link.source` will say."""

    link: Link | None
    account: Account
    other_chats: tuple[Link, ...]
    source: str


OnConflict = str | Callable[[Conflict], str]


class PolicyFailed(BotLinkingError):
    """`on_conflict` raised, or returned an unknown word. Nothing was changed; try again later. `outcomes` are
    those of the other events of the same POST, which were applied."""

    slug = "policy_failed"

    def __init__(self, message: str, outcomes: Sequence[Outcome] = ()) -> None:
        super().__init__(message)
        self.outcomes = [outcome for outcome in outcomes if not is_failure(outcome)]


def for_later(problem: PolicyFailed) -> StoreUnavailable:
    """The error for a caller that tries again later: `StoreUnavailable` in place of `PolicyFailed`, which is
    logged."""
    text = "%s; it is asked again later"
    log_sparingly(_log, logging.ERROR, PolicyFailed.slug, text, problem, exc_info=problem.__cause__)
    return StoreUnavailable(str(problem))


def is_failure(outcome: Outcome) -> bool:
    """Whether this is the outcome of an event for which the policy failed."""
    return isinstance(outcome, LinkingRefused) and outcome.reason == PolicyFailed.slug


@dataclass(frozen=True, slots=True)
class Consent:
    """What the person agreed to. `replaces` is the id of the account that they were told would be replaced.
    `asked` is false where no person can be asked, as in the API; there `ask` means `move`."""

    replaces: str | None = None
    asked: bool = True


CANNOT_ASK = Consent(asked=False)


class Policy:
    """`on_conflict` as the host gave it. Raises `ConfigurationError` for any other word than the four."""

    def __init__(self, on_conflict: OnConflict = Word.MOVE) -> None:
        self._decide = on_conflict if callable(on_conflict) else None
        self._word = Word.MOVE if callable(on_conflict) else _word_of(on_conflict)

    @property
    def always_moves(self) -> bool:
        """Whether every conflict is decided without reading anything."""
        return self._decide is None and self._word is Word.MOVE

    @property
    def leaves_one_chat(self) -> bool:
        """Whether each new link leaves its account one chat at most. An undo restores what was, also two."""
        return self._word is Word.ONE_CHAT

    @property
    def minds_other_chats(self) -> bool:
        """Whether the decision may depend on the account's other chats."""
        return self._decide is not None or self.leaves_one_chat

    def word_for(self, conflict: Conflict) -> Word:
        """The word for this conflict. Raises `PolicyFailed` when the host's callable fails."""
        if self._decide is None:
            return self._word
        if conflict.link is None and not conflict.other_chats:
            return Word.MOVE
        try:
            return Word(self._decide(conflict))
        except Exception as problem:
            raise PolicyFailed(f"on_conflict failed: {type(problem).__name__}") from problem


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusal` is None where the link may be made, else a slug; `ended` are the account's other chats that
    are unlinked with it."""

    refusal: str | None = None
    ended: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a policy would decide now, for the page or the question that asks the person."""

    word: Word
    conflict: Conflict

    @property
    def is_refused(self) -> bool:
        return self.conflict.link is not None and self.word is Word.REFUSE

    @property
    def replaces(self) -> Link | None:
        """The link that the person must agree to replace; None where nothing has to be asked."""
        return self.conflict.link if self.word in {Word.ASK, Word.ONE_CHAT} else None

    @property
    def ends(self) -> tuple[Link, ...]:
        """The account's other chats that would be unlinked."""
        return self.conflict.other_chats if self.word is Word.ONE_CHAT else ()


def foresee(policy: Policy, conflict: Conflict) -> Foresight:
    """What the policy would decide now. Linking the chat's own account again is no conflict. Raises
    `StoreUnavailable` when the policy fails."""
    if conflict.link is not None and conflict.link.account_id == conflict.account.id:
        return Foresight(Word.MOVE, replace(conflict, link=None))
    try:
        return Foresight(policy.word_for(conflict), conflict)
    except PolicyFailed as problem:
        raise for_later(problem) from problem


def judge(word: Word, conflict: Conflict, consent: Consent) -> Verdict:
    """The verdict of this word on this conflict, given what the person agreed to."""
    if conflict.link is not None:
        if word is Word.REFUSE:
            return Verdict("conflict_refused")
        needs_yes = word in {Word.ASK, Word.ONE_CHAT} and consent.asked
        if needs_yes and consent.replaces != conflict.link.account_id:
            return Verdict("conflict_not_agreed")
    return Verdict(ended=conflict.other_chats if word is Word.ONE_CHAT else ())


def _word_of(word: object) -> Word:
    try:
        return Word(word)  # type: ignore[arg-type]  # as the host gave it
    except ValueError:
        words = ", ".join(Word)
        raise ConfigurationError("on_conflict", f"must be a callable or one of {words}") from None
