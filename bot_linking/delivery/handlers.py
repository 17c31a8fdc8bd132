"""A handler is what the outbox does with one kind of entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bot_linking.core.ports.outbox import OutboxEntry

Counter = tuple[str, int]  # a key of the throttles, and when its count starts again (ms)
Handler = Callable[[OutboxEntry], Counter | None]
Method = TypeVar("Method", bound=Callable[..., Counter | None])

_KIND = "_kind_of_entry"


def handles(kind: str) -> Callable[[Method], Method]:
    """Make a method the handler of the entries of this kind: `@handles("sorry")`.

    A handler returns when its entry got through or is not needed any more, and with it the counter on which
    that counts, if any. It raises `DeliveryFailed` when not.
    """

    def mark(method: Method) -> Method:
        setattr(method, _KIND, kind)
        return method

    return mark


def handlers_of(*owners: object) -> dict[str, Handler]:
    """Kind to handler: every method of these objects that `handles` a kind."""
    return {
        getattr(method, _KIND): getattr(owner, name)
        for owner in owners
        for name, method in vars(type(owner)).items()
        if hasattr(method, _KIND)
    }
