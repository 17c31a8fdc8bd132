"""What happens to an engine when its process forks. Where processes cannot fork, nothing does."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """An engine with connections that a child must not share with its parent."""

    def hold_for_fork(self) -> None:
        """In the parent, before it forks: let no other thread be in the middle of anything."""

    def go_on_after_fork(self, *, in_child: bool) -> None:
        """In both processes, after the fork. In the child, what was open is the parent's."""


_engines: weakref.WeakSet[Forkable] = weakref.WeakSet()
_turn = threading.Lock()  # of the thread that forks
_held: list[Forkable] = []


def mind_forks(engine: Forkable) -> None:
    """See to this engine when the process forks, for as long as the engine lives."""
    _engines.add(engine)


def _before() -> None:
    _turn.acquire()
    for engine in list(_engines):
        engine.hold_for_fork()
        _held.append(engine)


def _after(*, in_child: bool) -> None:
    while _held:
        _held.pop().go_on_after_fork(in_child=in_child)
    _turn.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before,
        after_in_parent=lambda: _after(in_child=False),
        after_in_child=lambda: _after(in_child=True),
    )
