"""The host's callables, as they were given to `AccountLinking`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot_linking.core.conflicts import OnConflict
from bot_linking.core.links import Account, Link
from bot_linking.core.notices import OwnerNotice
from bot_linking.core.ports import Clock

Authenticate = Callable[[str, str], Account | None]
CurrentAccount = Callable[[], Account | None]
FindByEmail = Callable[[str], Account | None]
SendCode = Callable[[str, str], object]


class Provider(Protocol):
    """What the pages show of an identity provider."""

    @property
    def label(self) -> str:
        """What the provider is called."""


CreateAccount = Callable[[str, str | None, str], Account]
MayLink = Callable[[str], bool]
ResolveAccount = Callable[[str | None, str | None, str | None], Account | None]
Confirmation = Callable[[Link], dict[str, Any] | None]
Farewell = Callable[[str, str], dict[str, Any] | None]
NotifyOwner = Callable[[OwnerNotice], object]
Operator = Callable[[], str | None]
PsidsOf = Callable[[str], Sequence[tuple[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """The host's callables. Each room that calls one of them gets all of them; None where the host gave
    none."""

    authenticate: Authenticate | None = None
    """`authenticate(username, password) -> Account | None`: signs a person in on the linking page."""

    current_account: CurrentAccount | None = None
    """`current_account() -> Account | None`: the account that is signed in at the site in this request."""

    find_by_email: FindByEmail | None = None
    """`find_by_email(address) -> Account | None`: the account with this e-mail address, to sign in by a code
    that is sent there. A stranger typed the address: compare it letter for letter, with confirmed addresses
    only. It is called after the page was answered, before a code is sent, and again when the code was right.
    Give it together with `send_code`."""

    send_code: SendCode | None = None
    """`send_code(address, code)`: sends this code of six digits to this e-mail address. It is called in a
    thread of its own, after the page was answered. Of an error only the class is logged. Give your mail
    client a time-out."""

    oidc: Provider | None = None
    """`bot_linking.oidc.OIDC(issuer=..., client_id=..., client_secret=..., account_of=...)`: the identity
    provider at which people sign in."""

    create_account: CreateAccount | None = None
    """`create_account(username, email, password) -> Account`: makes an account inside the flow; may raise
    `SignUpRefused("a sentence for the person")`. Without it there is no sign-up page."""

    may_link: MayLink | None = None
    """`may_link(account_id) -> bool`: asked when the code comes back, in case the account has been disabled
    since."""

    resolve_account: ResolveAccount | None = None
    """`resolve_account(username, email, phone_number) -> Account | None`: the account that a caller of the
    account_link API means; each argument is text or None. None refuses the call. For a person who is not a
    customer yet it may return `Account.known_by(...)`. Without this hook the API makes every id of a name: it
    begins with `username:`, `email:` or `tel:`, and no sign-in returns such an id."""

    confirmation: Confirmation | None = None
    """`confirmation(link) -> message | None`: your own message in place of ours after a login; None sends
    nothing. It is called when the message is sent."""

    farewell: Farewell | None = None
    """`farewell(page_id, psid) -> message | None`: your own message in place of ours after a logout."""

    on_conflict: OnConflict = "move"
    """What happens when a link exists already: `"move"`, `"ask"`, `"refuse"`, `"one_chat"`, or a callable
    `on_conflict(Conflict) -> word`. It is called inside the transaction that links, and must not call the
    verbs of `linking`. When it raises, the answer is 503 and nothing is changed."""

    notify_owner: NotifyOwner | None = None
    """`notify_owner(OwnerNotice)`: tells the account's owner, by e-mail for instance, after every change of
    who is linked. Called from the outbox, again later when it raises."""

    psids_of: PsidsOf | None = None
    """`psids_of(app_scoped_id) -> [(page_id, psid), ...]`: the chats of this person, for Meta's deletion and
    deauthorize callbacks. With this hook Graph is not asked."""

    operator: Operator | None = None
    """`operator() -> str | None`: the name of the operator who makes this request, by the sign-in of your own
    staff and never by that of the bot's people. For None the operator's page answers 404. Without this hook
    there is no such page."""

    bot: Any = None
    """Your own `pymessenger.bot.Bot` to send with, instead of one made from the configuration."""

    clock: Clock = time.time
    """`clock() -> seconds` since the epoch: for tests."""

    @property
    def people_sign_in(self) -> bool:
        """Whether people sign in to accounts of the site."""
        return any(
            (self.authenticate, self.current_account, self.create_account, self.find_by_email, self.oidc)
        )


NO_HOOKS = Hooks()
