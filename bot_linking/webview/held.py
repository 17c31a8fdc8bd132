"""What is in the hands of one request: the form that came in, and the attempt that a step has led to."""

from __future__ import annotations

from dataclasses import dataclass

from bot_linking.core.ports import Attempt
from bot_linking.webview.tickets import SESSION, Ticket


@dataclass(frozen=True, slots=True)
class Held:
    """An attempt after a step, and the new secret of it that this browser must be given, if there is one."""

    attempt: Attempt
    session: str | None = None


class MovedOn(Exception):
    """The attempt is at another page than the one that was asked for or sent: lead there."""

    def __init__(self, held: Held) -> None:
        super().__init__(held.attempt.stage)
        self.held = held


@dataclass(frozen=True, slots=True)
class Form:
    """A form that came in, from the browser that it was given to: its ticket, and the attempt that it stands
    for. `kept` is that attempt as the store has it, None while it has nothing of it."""

    ticket: Ticket
    kept: Attempt | None

    @property
    def attempt(self) -> Attempt:
        return self.kept or self.ticket.attempt()

    @property
    def is_of_session(self) -> bool:
        return self.ticket.holder == SESSION
