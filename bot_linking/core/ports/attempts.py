"""The store's role for the linking pages: attempts, the codes they end in, and what was interrupted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from bot_linking.core.journey import Stage
from bot_linking.core.links import Account


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form of this attempt was refused, and what stood in it: enough to show the form again.

    `form` and `reason` are slugs; `field` is the name of the field in question. `text` is the site's own
    sentence, where it gave one. `until` is when a limit starts again, in milliseconds since the epoch. A
    password or a code is never kept.
    """

    form: str
    reason: str
    username: str = ""
    email: str = ""
    field: str = ""
    text: str = ""
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Awaited:
    """The answer that an attempt waits for: the code that was sent to an e-mail address, or the identity
    provider's.

    `digest` is all that is kept of the secret; `about` is the e-mail address that the person typed. `tries`
    counts the answers that were judged. `expires_at` is in milliseconds since the epoch.
    """

    kind: str
    digest: str = field(repr=False)
    about: str = field(repr=False)
    expires_at: int
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One pass through the linking pages, from opening them to the link.

    `account` is None until the site has named one. `linking_token` and `return_url` are Messenger's; both are
    empty on a way that does not begin with the Log In button. `page_id`, `psid` and `profile_name` are None
    where Messenger did not say. `page_hint` is the app's page that the button's address named, which
    proves nothing. `opened_at` is when the linking page was first shown, `second_factor_at` when a right code
    was given in this attempt, `expires_at` when the attempt ends (milliseconds since the epoch).

    `way` is the `source` of a link that this attempt makes. `proof` is the digest of what proved the chat on
    another way than the Log In button; it is good for one link.

    `session_digest` is the digest of the secret that the browser holds for this attempt; None for an attempt
    that no store keeps.
    """

    attempt_id: str
    account: Account | None
    linking_token: str
    return_url: str
    opened_at: int
    page_id: str | None = None
    psid: str | None = None
    profile_name: str | None = None
    stage: Stage = Stage.OPENED
    page_hint: str | None = None
    second_factor_at: int | None = None
    refusal: Refusal | None = None
    way: str = "login"
    proof: str | None = field(default=None, repr=False)
    expires_at: int = 0
    session_digest: str | None = field(default=None, repr=False)
    awaited: Awaited | None = None


MOST_CODES = 10  # of one attempt, whose button may be pressed again and again


class Attempts(Protocol):
    """Attempts, pending codes, and what a person was doing when they were asked to log in."""

    def save_attempt(self, attempt: Attempt, *, before: Attempt | None = None) -> bool:
        """Keep an attempt with its `session_digest`, by one atomic comparison and write.

        Without `before`, it is kept only where this attempt id is new; with `before`, only where the kept
        attempt still has the stage, the session digest and the `awaited` of `before`. False means that
        another request was faster and nothing was written. With the stage `left` the attempt's unused codes
        go in the same transaction.
        """

    def find_attempt(self, attempt_id: str) -> Attempt | None:
        """A kept attempt, at any stage, also after its end until `purge` removes it; None when none has this
        id. The caller compares the session digest and looks at the stage and the end."""

    def save_code(
        self,
        digest: str,
        attempt: Attempt,
        locale: str | None,
        now: int,
        expires_at: int,
        *,
        replaces: str | None = None,
        typed: str | None = None,
    ) -> bool:
        """Keep a pending code of this attempt, minted at `now`, and move the attempt to `approved`, in one
        transaction. The code's tick is greater than that of each code committed before. `replaces` is the
        account that the person agreed to replace; `typed` is the digest of digits by which the chat may name
        this code.

        An attempt at the consent must still be kept with its session digest, for the same account, before
        its end. An attempt whose stage is `opened` is one of a caller who knows the account: it is kept now,
        or joins the same account's attempt of this id.

        False means that nothing was written: the attempt is not so; a code of it or of the same proof was
        consumed; one of its codes belongs to another account; the web link that proved the chat is gone (its
        age alone does not count); or the attempt has `MOST_CODES` codes. An attempt may have several pending
        codes; the first that is redeemed consumes all.
        """

    def account_of_code(self, digest: str) -> str | None:
        """The account id of a code that is pending, expired or not; None for every other digest."""

    def drop_pending(self, account_id: str) -> None:
        """Remove this account's attempts, pending codes and unused chat links, in one transaction. A consumed
        code stays, to recognise its redelivery. Links stay."""

    def save_resume(self, page_id: str, psid: str, payload: Any, now: int) -> None:
        """Keep what a person was doing, any JSON value, in place of what was kept before for the same page
        and PSID. `page_id` is empty where the page is not known."""

    def take_resume(self, page_id: str, psid: str) -> Any:
        """Remove what is kept for this person, on this page and without a page, and return the newest of it,
        of any age; None when nothing is kept. Of two callers at once, one gets it."""
