"""What a bot may do with a signal. `core.events` declares signals, and `bot_linking.signals` makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

Event_co = TypeVar("Event_co", covariant=True)
Receiver = TypeVar("Receiver", bound=Callable[..., Any])


class SignalOf(Protocol[Event_co]):
    """The signal that carries one class of events. A receiver is called as `receiver(app, event=...)`, after
    the commit; what it returns is ignored, and what it raises is logged.

    `name: SignalOf[Event]` in `core.events` declares one.
    """

    name: str
    receivers: dict[Any, Any]

    @property
    def event(self) -> type[Event_co]:
        """The class of the events that it carries."""

    def connect(self, receiver: Receiver, sender: Any = ..., weak: bool = ...) -> Receiver:
        """Call `receiver` for each event of the app `sender`, or of every app where none is named. The app,
        or the signal where none is named, keeps it alive, except with `weak=True`."""

    def connect_via(self, sender: Any, weak: bool = ...) -> Callable[[Receiver], Receiver]:
        """A decorator that connects a function for the app `sender`."""

    def connected_to(self, receiver: Callable[..., Any], sender: Any = ...) -> AbstractContextManager[None]:
        """A context manager that connects `receiver` and disconnects it at the end."""

    def disconnect(self, receiver: Callable[..., Any], sender: Any = ...) -> None:
        """Stop calling `receiver` for the app `sender`, or for every app where none is named."""

    def has_receivers_for(self, sender: Any) -> bool:
        """Whether a receiver may be connected for this app. It may have been garbage-collected since."""

    def receivers_for(self, sender: Any) -> Iterable[Callable[..., Any]]:
        """The receivers that an event of this app is given to, in no particular order."""
