"""The values of one request: the form that came in, and the attempt after a step."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot_linking.core.journey import Stage
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt
from bot_linking.webview.tickets import SESSION, Ticket


@dataclass(frozen=True, slots=True)
class Held:
    """An attempt after a step. `session` is its new secret for the browser's cookie, if it has one."""

    attempt: Attempt
    session: str | None = None


class MovedOn(Exception):
    """The attempt is at another page than the requested one or the form's: lead there."""

    def __init__(self, held: Held) -> None:
        super().__init__(held.attempt.stage)
        self.held = held


@dataclass(frozen=True, slots=True)
class Form:
    """A form that came in from the browser that it was given to. `kept` is the ticket's attempt as the store
    has it; None while the store does not keep it."""

    ticket: Ticket
    kept: Attempt | None

    @property
    def attempt(self) -> Attempt:
        return self.kept or self.ticket.attempt()

    @property
    def is_of_session(self) -> bool:
        return self.ticket.holder == SESSION


def is_current(ticket: Ticket, kept: Attempt) -> bool:
    """Whether the attempt still has the secret and the account that the ticket's page had."""
    account_id = kept.account.id if kept.account else None
    return ticket.bound_to == kept.session_digest and ticket.account_id == account_id


def stage_of(before: Attempt | None) -> Stage:
    return before.stage if before else Stage.OPENED


def with_account(attempt: Attempt, account: Account | None) -> Attempt:
    """The attempt with this account, without what was proved, refused or awaited for another one."""
    return replace(attempt, account=account, second_factor_at=None, refusal=None, awaited=None)


def without_account(attempt: Attempt) -> Attempt:
    """The attempt without its account and its chat."""
    return replace(with_account(attempt, None), page_id=None, psid=None, profile_name=None)


def account_of(attempt: Attempt) -> Account:
    assert attempt.account is not None, "asked for the account of an attempt that has none"
    return attempt.account


def require_account(account: object) -> Account:
    """The account that the host's code returned. Raises `TypeError` for any other value."""
    if not isinstance(account, Account):
        raise TypeError(f"authenticate and its like return an Account or None, not {type(account).__name__}")
    return account
