"""Events that come in from Messenger, and events that say what happened because of them. All are frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bot_linking.core.codes import digest_of
from bot_linking.core.links import Link
from bot_linking.core.signal import SignalOf


@dataclass(frozen=True, slots=True)
class LinkingEvent:
    """One `account_linking` webhook event, read and normalised. `timestamp` is in milliseconds, or None
    where the event had none. With `status` `linked` there is either an `authorization_code` or, where the
    person named the code in the chat, its `code_digest`. `by_our_button` means a logout by our own button:
    Messenger may still hold a link, and is told."""

    page_id: str
    psid: str
    status: Literal["linked", "unlinked"]
    authorization_code: str | None = None
    timestamp: int | None = None
    code_digest: str | None = field(default=None, repr=False)
    by_our_button: bool = False

    @property
    def digest(self) -> str | None:
        """The digest that the code is kept under; None without a code."""
        if self.code_digest is not None or self.authorization_code is None:
            return self.code_digest
        return digest_of(self.authorization_code)

    def __repr__(self) -> str:
        return f"LinkingEvent({self.status}, page_id={self.page_id!r}, psid={self.psid!r}, {self.timestamp})"


class Happening:
    """Something that happened. To add one, write its class here and declare its signal below it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AccountLinked(Happening):
    """A person was linked to an account. `previous_account_id` is set when another account was linked
    before; `resume` is what `prompt_login(resume=...)` was given, or None. `source` is `undo` where a former
    link was put back, else None: `link.source` says who made the link. `consented_at` is when the person
    pressed the button on the linking page (ms); None where they pressed none."""

    link: Link
    previous_account_id: str | None = None
    resume: Any = None
    source: str | None = None
    consented_at: int | None = field(default=None, compare=False)


account_linked: SignalOf[AccountLinked]


@dataclass(frozen=True, slots=True)
class AccountUnlinked(Happening):
    """A link ended. `source` says who ended it: `messenger` (the Log Out button), `python`, `api`, `cli`,
    `undo`; `link` is the link that ended."""

    page_id: str
    psid: str
    account_id: str
    source: str
    link: Link | None = field(default=None, compare=False, repr=False)


account_unlinked: SignalOf[AccountUnlinked]


@dataclass(frozen=True, slots=True)
class LinkChanged(Happening):
    """A link to the same account got another user name, e-mail address or phone number. `identifiers` names
    those that changed: `username`, `email`, `phone_number`."""

    link: Link
    identifiers: tuple[str, ...]


link_changed: SignalOf[LinkChanged]


@dataclass(frozen=True, slots=True)
class LinkingRefused(Happening):
    """A `linked` event, a request or an attempt was turned away. `reason` is a slug:
    `code_unknown`, `code_expired`, `code_wrong_page`, `code_wrong_person`, `code_used_by_another`,
    `account_refused`, `event_failed`, `api_key_refused`, ... `way` is the way of the login that was refused,
    None where no login was; `consented_at` is as in `AccountLinked`."""

    reason: str
    page_id: str | None = None
    psid: str | None = None
    way: str | None = field(default=None, compare=False)
    consented_at: int | None = field(default=None, compare=False)


linking_refused: SignalOf[LinkingRefused]


@dataclass(frozen=True, slots=True)
class EventIgnored(Happening):
    """An event changed nothing: a redelivery, or one that lost to a newer event. `reason` is `duplicate`,
    `stale`, `not_linked` or `unchanged`. `way` and `consented_at` are as in `LinkingRefused`."""

    reason: str
    page_id: str
    psid: str
    way: str | None = field(default=None, compare=False)
    consented_at: int | None = field(default=None, compare=False)


event_ignored: SignalOf[EventIgnored]


@dataclass(frozen=True, slots=True)
class StageReached(Happening):
    """A person came to a stage of linking, as the funnel counts it. `stage` is `prompted`, `opened`,
    `signed_in`, `consent_shown`, `consented`, `returned` (the event came), `linked`, `confirmed`, or
    `cancelled`; `way` is `login`, `web`, `menu` or `chat`; `seconds` is the time since the stage before, None
    where that is not known."""

    stage: str
    way: str
    page_id: str | None = None
    seconds: float | None = None


stage_reached: SignalOf[StageReached]


@dataclass(frozen=True, slots=True)
class LoginPrompted(Happening):
    """A message with a Log In button was handed to Messenger."""

    page_id: str | None
    psid: str


login_prompted: SignalOf[LoginPrompted]


@dataclass(frozen=True, slots=True)
class LoginCancelled(Happening):
    """A person left the linking page with Cancel. `psid` is None when Messenger could not say who it was;
    `resume` is what they had been prompted for."""

    page_id: str | None
    psid: str | None
    resume: Any = None


login_cancelled: SignalOf[LoginCancelled]


@dataclass(frozen=True, slots=True)
class MessageSent(Happening):
    """An outbox entry was delivered. `waited` is the number of seconds since it was written."""

    page_id: str
    psid: str
    kind: str
    waited: float


message_sent: SignalOf[MessageSent]


@dataclass(frozen=True, slots=True)
class MessageFailed(Happening):
    """An outbox entry was not delivered. `dead` is true where it was given up (see
    `flask linking dead-letters`); otherwise it is tried again."""

    page_id: str
    psid: str
    kind: str
    reason: str
    dead: bool


message_failed: SignalOf[MessageFailed]


def result_of(event: MessageSent | MessageFailed) -> str:
    """What became of the entry in one word: `sent`, `failed` while it is tried again, or `dead`."""
    if isinstance(event, MessageSent):
        return "sent"
    return "dead" if event.dead else "failed"


@dataclass(frozen=True, slots=True)
class WebhookReceived(Happening):
    """A webhook was verified and handled, or refused. `result` is `linking` when it held account linking
    events, `other` when it held none, or the slug of the refusal; `seconds` is what that took, without the
    bot's own view or handler."""

    result: str
    seconds: float


webhook_received: SignalOf[WebhookReceived]


@dataclass(frozen=True, slots=True)
class GraphFailed(Happening):
    """A call to Graph failed: a message, or a request while a person logs in. `status` is the HTTP status,
    None without an answer; `code` is Graph's error code, where it gave one."""

    status: int | None
    code: int | None


graph_failed: SignalOf[GraphFailed]


@dataclass(frozen=True, slots=True)
class PersonErased(Happening):
    """Everything about a person was removed. Carries no id on purpose."""

    rows: int


person_erased: SignalOf[PersonErased]


Outcome = AccountLinked | AccountUnlinked | LinkChanged | LinkingRefused | EventIgnored
