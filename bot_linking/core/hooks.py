"""What the host decides: its callables, as `AccountLinking` was given them."""

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
    """The host's callables, handed whole to each room that asks one of them. None: the host has no say."""

    authenticate: Authenticate | None = None
    """`authenticate(username, password) -> Account | None`: signs a person in on the linking page."""

    current_account: CurrentAccount | None = None
    """`current_account() -> Account | None`: who is signed in at the site already, in this request."""

    find_by_email: FindByEmail | None = None
    """`find_by_email(address) -> Account | None`: whose e-mail address this is, for signing in by a code that
    goes there. The address is what a stranger typed: compare it letter for letter, with addresses that were
    confirmed. It is asked after the page was answered, to send a code, and again when the code was right. It
    goes with `send_code`."""

    send_code: SendCode | None = None
    """`send_code(address, code)`: sends this code of six digits to this e-mail address. It is called in a
    thread of its own, after the page was answered. What it raises is logged by its kind alone. Give your mail
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
    """`resolve_account(username, email, phone_number) -> Account | None`: whose account it is that a caller
    of the account_link API means; each is text or None. None refuses the call. For a person who is no
    customer yet it may return `Account.known_by(...)`. Without this hook every account is one that is known
    by a name: its id begins with `username:`, `email:` or `tel:`, and no sign-in returns such an id."""

    confirmation: Confirmation | None = None
    """`confirmation(link) -> message | None`: your own message in place of ours after a login; None sends
    nothing. It is called when the message is sent."""

    farewell: Farewell | None = None
    """`farewell(page_id, psid) -> message | None`: your own message in place of ours after a logout."""

    on_conflict: OnConflict = "move"
    """What happens when a link is there already: `"move"`, `"ask"`, `"refuse"`, `"one_chat"`, or a callable
    `on_conflict(Conflict) -> word`. It is asked inside the transaction that links and must not call the verbs
    of `linking`. What it raises refuses with 503 and changes nothing."""

    notify_owner: NotifyOwner | None = None
    """`notify_owner(OwnerNotice)`: tells the account's owner, by e-mail for instance, after every change of
    who is linked. Called from the outbox, again later when it raises."""

    psids_of: PsidsOf | None = None
    """`psids_of(app_scoped_id) -> [(page_id, psid), ...]`: who that is, for Meta's deletion and deauthorize
    callbacks; Graph is not asked then."""

    operator: Operator | None = None
    """`operator() -> str | None`: the name of the operator who makes this request, by the sign-in of your own
    staff and never of the bot's people; None, and the operator's page is an address that does not exist.
    Without this hook there is no such page."""

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
